# %% 04.1
# exercise 04.1
def three_channels(faces):
    """Return grey faces (n, 48, 48) as float32 (n, 48, 48, 3)."""
    return np.repeat(faces[..., None], 3, axis=-1).astype("float32")


# %% 04.2
# exercise 04.2
def for_mobilenet(images):
    """Return `images` in 0..255 as a new array in -1..1."""
    return images / 127.5 - 1


# %% 04.3
# exercise 04.3
def pool(maps, grid):
    """Return the means over grid × grid fields of maps (n, side, side, c), as (n, grid, grid, c)."""
    n, side, _, c = maps.shape
    field = side // grid
    return maps.reshape(n, grid, field, grid, field, c).mean((2, 4))


# %% 04.4
# exercise 04.4
def unfreeze(model, first):
    """Let the layers from the one named `first` on learn, apart from batch normalisation."""
    on = False
    for layer in model.layers:
        on = on or layer.name == first
        layer.trainable = on and not isinstance(layer, layers.BatchNormalization)


# %% 04.5
# exercise 04.5
def leader(place):
    """Return the way that leads each of the others by more than luck, or "nobody"."""
    for way in WAYS:
        leads = [lead(way, rival, place) for rival in WAYS if rival != way]
        if all(gap > reach for gap, reach in leads):
            return way
    return "nobody"


leaders = [leader(place) for place in range(len(SIZES))]
