# %% 07.1
# exercise 07.1
def gram(maps):
    """Return (c, c) for maps (h, w, c)."""
    flat = maps.reshape(-1, maps.shape[-1])  # one row for each place
    return flat.T @ flat / len(flat)


# %% 07.2
# exercise 07.2
def absolute_variation(image):
    """Return mean |down| + mean |across| of a grey image (h, w)."""
    return np.abs(np.diff(image, axis=0)).mean() + np.abs(np.diff(image, axis=1)).mean()


# %% 07.3
# exercise 07.3
cannot_tell = "sizes"  # a 3×3 filter sees the direction of an edge, but not how far it is to the next one


# %% 07.4
# exercise 07.4
def framed(original, painted, width):
    """Return painted (h, w, 3) with the outer width pixels of original, uint8."""
    result = original.copy()
    height, across = original.shape[:2]
    inside = (slice(width, height - width), slice(width, across - width))  # from the far side: [0:-0] is empty
    result[inside] = painted[inside]
    return result


# %% 07.5
# exercise 07.5
factor = paint(grey, style=STYLE_WEIGHT * 10)[1][-1, 1] / paint(grey, style=STYLE_WEIGHT * 0.1)[1][-1, 1]
