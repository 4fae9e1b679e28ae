# %% 07.1
# exercise 07.1
def gram_matrix(maps):
    """Return (c, c): the mean over all places of each product of two of the c maps (1, h, w, c)."""
    flat = tf.reshape(maps, (-1, maps.shape[-1]))  # one row for each place
    places = tf.cast(tf.shape(flat)[0], tf.float32)
    return tf.matmul(flat, flat, transpose_a=True) / places


# %% 07.2
# exercise 07.2
def style_loss(made, wanted):
    """Compare two Gram matrices (c, c)."""
    return tf.reduce_mean((made - wanted) ** 2) / tf.reduce_mean(wanted**2)


# %% 07.3
# exercise 07.3
def total_variation(image):
    """Return the mean length of the brightness steps of an image (1, h, w, 1), scaled to 0..1."""
    down = (image[:, 1:, :-1] - image[:, :-1, :-1]) / 255
    across = (image[:, :-1, 1:] - image[:, :-1, :-1]) / 255
    return tf.reduce_mean(tf.sqrt(down**2 + across**2 + 1e-4)) - 0.01


# %% 07.4
# exercise 07.4
price_low = (at_end[1][1] - at_end[0.1][1]) / (at_end[0.1][2] - at_end[1][2])
price_high = (at_end[10][1] - at_end[1][1]) / (at_end[1][2] - at_end[10][2])


# %% 07.5
# exercise 07.5
def outside(height, width, box):
    """Return a float mask (height, width): 0 in the box (x, y, w, h), 1 around it."""
    x, y, w, h = box
    mask = np.ones((height, width))
    mask[y : y + h, x : x + w] = 0
    return mask


def blend(original, painted, mask):
    """Mix two images uint8 (h, w, 3) by a mask (h, w) of 0 to 1; return uint8."""
    share = mask[..., None]  # (h, w, 1): the same share for red, green and blue
    return np.rint(share * painted + (1 - share) * original).astype(np.uint8)


# %% 07.6
# exercise 07.6
style_losses = [paint(grey, make_objective(content_layer=name))[1][-1, 2] for name in (FIRST, LAST)]
lower_with = "last"  # its maps record less, so more of the image is free to change
