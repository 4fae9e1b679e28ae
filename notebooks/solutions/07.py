# %% 07.1
# exercise 07.1
def centred_gram(maps):
    """Return (c, c): the mean over all places of each product of two maps, each map less its own mean."""
    flat = maps.reshape(-1, maps.shape[-1])  # one row for each place
    flat = flat - flat.mean(0)
    return flat.T @ flat / len(flat)


# %% 07.2
# exercise 07.2
content_factor = at_end[10][1] / at_end[0.1][1]
style_share = at_end[10][2] / at_end[0.1][2]


# %% 07.3
# exercise 07.3
def absolute_variation(image):
    """Return mean |down| + mean |across| of a grey image (h, w)."""
    return np.abs(np.diff(image, axis=0)).mean() + np.abs(np.diff(image, axis=1)).mean()


# %% 07.4
# exercise 07.4
def blend(original, painted, mask):
    """Mix two images uint8 (h, w, 3) by a mask (h, w) of 0 to 1; return uint8."""
    share = mask[..., None]  # (h, w, 1): the same share for red, green and blue
    return np.rint(share * painted + (1 - share) * original).astype(np.uint8)


# %% 07.5
# exercise 07.5
style_losses = [paint(grey, make_objective(content_layer=name))[1][-1, 2] for name in (FIRST, LAST)]
lower_with = "last"  # its maps record less, so more of the image is free to change
