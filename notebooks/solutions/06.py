# %% 06.1
# exercise 06.1
def fooled_by_any(images, attack, fools, eps, rng, starts=5):
    """Return for each face whether the attack from any of several random starts fools the network, bool (n,).

    attack(start) takes starting images and returns attacked ones; fools(attacked) returns bool (n,).
    """
    fooled = np.zeros(len(images), bool)
    for _ in range(starts):
        start = np.clip(images + rng.uniform(-eps, eps, images.shape), 0, 255)
        fooled = fooled | fools(attack(start))
    return fooled


# %% 06.2
# exercise 06.2
def untargeted_fgsm(images, true_labels, eps, gradient):
    """Return images after one step of eps levels away from their true labels, clipped to 0..255.

    gradient(images, labels) returns the gradient of the cross-entropy with those labels.
    """
    return np.clip(images + eps * np.sign(gradient(images, true_labels)), 0, 255)


# %% 06.3
# exercise 06.3
def transfer_rate(predict, before, after, true, goal):
    """Return (rate, low, high): the share called `goal` after an attack and its 95 % Wilson interval.

    Of the faces before, (n, 48, 48), only those count that `predict` calls `true`; predict returns (n, 7).
    """
    counted = predict(before).argmax(1) == true
    hits = (predict(after).argmax(1)[counted] == goal).sum()
    low, high = wilson(hits, counted.sum())
    return hits / counted.sum(), low, high


# %% 06.4
# exercise 06.4
def smallest_eps(image, attack, fools, largest=16):
    """Return the smallest whole eps in 1..largest with fools(attack(image, eps)); None if there is none."""
    for eps in range(1, largest + 1):
        if fools(attack(image, eps)):
            return eps
    return None


# %% 06.5
# exercise 06.5
shares = {}
for goal, emotion in enumerate(recogniser.labels):
    if emotion != "happy":
        made = np.rint(pgd(faces[:50], np.full(len(faces[:50]), goal), 2))
        shares[emotion] = share_called(made, goal)
hardest = min(shares, key=shares.get)  # the name of an emotion
