"""Checks of lesson 6, hack the CNN."""

import numpy as np

from fernb.checks import difference, exercise


@exercise("06.1")
def l2_norm(norm) -> str | None:
    before, after = np.array([[10, 200]], np.uint8), np.array([[7, 204]], np.uint8)
    mistakes = [
        (5.0, "that is the length in grey levels; scale the pixels to 0..1 first"),
        (25 / 255**2, "the square root is missing"),
        (np.sqrt(((after - before) / 255.0) ** 2).sum(), "7 - 10 wrapped around in uint8: turn the images into floats"),
        (
            np.sqrt((((after - before) / 255.0) ** 2).sum()),
            "7 - 10 wrapped around in uint8: turn the images into floats",
        ),
        (np.sqrt(25 / 255**2 / 2), "take the sum of the squares, not their mean"),
        (7 / 255, "that is the sum of the changes, the L1 norm; square them first"),
        (4 / 255, "that is the largest change, the L∞ norm; the L2 norm counts every pixel"),
    ]
    return difference(norm(before, after), 5 / 255, mistakes)


@exercise("06.2")
def untargeted_fgsm(attack) -> str | None:
    images = np.array([[[10.0, 1.0], [254.0, 100.0]]], np.float32)
    slope = np.array([[[0.3, -2.0], [1e-4, -0.1]]], np.float32)
    away = np.array([[[13, 0], [255, 97]]], np.float32)
    mistakes = [
        (
            np.clip(images - 3 * np.sign(slope), 0, 255),
            "that goes down the loss of the true label, so it helps the network",
        ),
        (images + 3 * np.sign(slope), "clip the result to 0..255: it must stay an image"),
        (
            np.clip(images + 3 * slope, 0, 255),
            "FGSM uses the sign of the gradient, so that each pixel goes all the way",
        ),
    ]
    asked = []

    def gradient(images, labels):
        asked.append(labels)
        return slope

    try:
        got = attack(images, np.array([3]), 3, gradient)
    except Exception:
        if asked:
            raise
        return "call `gradient`, the argument: the check brings images and a gradient of its own"
    return difference(got, away, mistakes)


@exercise("06.3")
def project(function) -> str | None:
    original = np.array([2.0, 100.0, 254.0, 50.0], np.float32)
    x = np.array([-5.0, 111.0, 300.0, 51.0], np.float32)
    mistakes = [
        (np.clip(x, original - 4, original + 4), "within eps it is right, but the result must also lie within 0..255"),
        (np.clip(x, 0, 255), "that keeps it an image; it must also stay within eps of the original"),
        (np.clip(x - original, -4, 4), "you returned the change; add it to the original"),
    ]
    return difference(function(x, original, 4), [0, 104, 255, 51], mistakes)


@exercise("06.4")
def smallest_eps(search) -> str | None:
    image, asked = np.zeros((2, 2), np.float32), []

    def attack(image, eps):
        asked.append(eps)
        return image + eps

    for needed in (1, 5, 16):
        found = search(image, attack, lambda hacked, needed=needed: hacked.max() >= needed)
        if found != needed:
            return f"where {needed} levels are needed, your function returned {found}"
    found = search(image, attack, lambda hacked: False, largest=3)
    if found is not None:
        return f"where nothing works, return None; yours returned {found}"
    if min(asked) < 1 or max(asked) > 16:
        return f"only ε from 1 to `largest` may be tried; yours tried {min(asked)} to {max(asked)}"
    found = search(image, attack, lambda hacked: hacked.max() in (3, 15, 16))
    return None if found == 3 else f"where ε = 3, 15 and 16 work, and 4 to 14 do not, your function returned {found}"


@exercise("06.5")
def hardest_target(shares, name, pgd, faces, share_called) -> str | None:
    from fernb.labels import EMOTIONS

    targets = [emotion for emotion in EMOTIONS if emotion != "happy"]
    if not isinstance(shares, dict) or set(shares) != set(targets):
        return f"`shares` must be a dictionary with the keys {', '.join(targets)}"
    if name not in targets:
        return f"name one of {', '.join(targets)}"
    least, most = (function(shares, key=lambda emotion: shares[emotion]) for function in (min, max))
    if shares[name] > shares[least]:
        return f"by your own numbers, {least} is reached less often than {name}"
    for emotion in {least, most}:  # two of the six are enough to find a mistake
        goal = EMOTIONS.index(emotion)
        share = share_called(np.rint(pgd(faces, np.full(len(faces), goal), 2)), goal)
        if not np.isclose(shares[emotion], share, atol=0.021):
            return f"PGD at ε = 2 makes {share:.0%} of these faces {emotion}; you wrote {shares[emotion]:.0%}"
    return None
