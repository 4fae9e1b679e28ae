# %% 03.1
# exercise 03.1
def mended_step(net, images, labels, optimizer):
    """Improve `net` by one update; return the loss before it."""
    with tf.GradientTape() as tape:
        probs = net(images, training=True)  # inside, so that the tape records it; dropout and norm as in learning
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, probs))
    gradients = tape.gradient(loss, net.trainable_variables)
    optimizer.apply(gradients, net.trainable_variables)  # without a minus: SGD takes the gradient away
    return float(loss)


# %% 03.2
# exercise 03.2
def early_stopping(losses, patience):
    """Return (epoch that is kept, last epoch that ran), both counted from 1."""
    kept, lowest = 0, np.inf
    for epoch, loss in enumerate(losses, 1):
        if loss < lowest:
            kept, lowest = epoch, loss
        if epoch - kept == patience:
            break
    return kept, epoch


# %% 03.3
# exercise 03.3
def dropout(values, share, rng):
    """Return `values` with a random `share` of them set to 0 and the others scaled up."""
    stays = rng.random(values.shape) >= share
    return values * stays / (1 - share)


# %% 03.4
# exercise 03.4
def better(a, b):
    """Return True if the 95 % interval shows that `a` gains more than `b`; both are arrays, seed by seed."""
    _, low, _ = interval(a - b)
    return low > 0


# %% 03.5
# exercise 03.5
def smooth(labels, classes, smoothing):
    """Return targets float (n, classes) whose rows add up to 1."""
    hard = np.eye(classes)[labels]
    return (1 - smoothing) * hard + smoothing / classes


# %% 03.6
# exercise 03.6
def small_network():
    """Return a keras.Sequential from (48, 48, 1) in 0..255 to seven probabilities."""
    net = keras.Sequential([keras.Input((48, 48, 1)), layers.Rescaling(1 / 127.5, offset=-1)])
    for filters in (16, 32, 64):
        net.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        net.add(layers.MaxPooling2D())
    net.add(layers.GlobalAveragePooling2D())  # 64 numbers rather than 6 × 6 × 64 = 2,304
    net.add(layers.Dropout(0.2))
    net.add(layers.Dense(7, activation="softmax"))
    return net
