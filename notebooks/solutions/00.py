# %% 00.1
# exercise 00.1
def count_pixels(n):
    """Return the number of pixels of `n` faces of 48×48 pixels."""
    return n * 48 * 48  # n faces, 48 rows each, 48 pixels in each row
