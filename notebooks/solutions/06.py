# %% 06.1
# exercise 06.1
def l2_norm(before, after):
    """Return the L2 norm of the change between two uint8 images, pixels scaled to 0..1."""
    return np.sqrt((((after.astype(float) - before) / 255) ** 2).sum())


# %% 06.2
# exercise 06.2
def untargeted_fgsm(images, true_labels, eps, gradient):
    """Return images after one step of eps levels away from their true labels, clipped to 0..255.

    gradient(images, labels) returns the gradient of the cross-entropy with those labels.
    """
    return np.clip(images + eps * np.sign(gradient(images, true_labels)), 0, 255)


# %% 06.3
# exercise 06.3
def project(x, original, eps):
    """Return x clipped to original ± eps and to 0..255, float32."""
    return np.clip(np.clip(x, original - eps, original + eps), 0, 255)


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
        attacked = np.rint(pgd(faces[:50], np.full(len(faces[:50]), goal), 2))
        shares[emotion] = share_called(attacked, goal)
hardest = min(shares, key=shares.get)  # the name of an emotion
