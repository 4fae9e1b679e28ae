# %% 04.1
# exercise 04.1
def own_network(trunk):
    """Return a network from faces (48, 48, 1) to seven probabilities, of which only the head learns."""
    trunk.trainable = False
    inputs = ready = keras.Input((48, 48, 1))
    ready = layers.Resizing(64, 64)(ready)
    ready = layers.Concatenate()([ready, ready, ready])
    ready = layers.Rescaling(1 / 127.5, offset=-1)(ready)
    means = layers.GlobalAveragePooling2D()(trunk(ready))
    return keras.Model(inputs, layers.Dense(7, activation="softmax")(means))


# %% 04.2
# exercise 04.2
def start_tuning(net, trunk, first, rate):
    """Let `trunk` learn from its layer `first` on, apart from batch normalisation, and compile `net`."""
    trunk.trainable = True
    on = False
    for layer in trunk.layers:
        on = on or layer.name == first
        layer.trainable = on and not isinstance(layer, layers.BatchNormalization)
    net.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])


# %% 04.3
# exercise 04.3
def pool(maps, grid):
    """Return the means over grid × grid fields of maps (n, side, side, c), as (n, grid, grid, c)."""
    n, side, _, c = maps.shape
    field = side // grid
    return maps.reshape(n, grid, field, grid, field, c).mean((2, 4))


# %% 04.4
# exercise 04.4
def leader(runs):
    """Return the way in `runs` that leads each of the others by more than luck, or "nobody"."""
    for way in runs:
        rivals = [rival for rival in runs if rival != way]
        leads = [mean_and_reach(np.array(runs[way]) - np.array(runs[rival])) for rival in rivals]
        if all(gap > reach for gap, reach in leads):
            return way
    return "nobody"


for i, size in enumerate(SIZES):
    print(f"{size:>5} faces: {leader({way: scores[way][i] for way in WAYS})}")
