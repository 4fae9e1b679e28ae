"""Checks of lesson 6, hack the CNN."""

import numpy as np

from fernb.checks import difference, exercise
from fernb.evaluation import wilson


@exercise("06.1")
def fooled_by_any(function) -> str | None:
    images = np.arange(90, 162, dtype=np.float32).reshape(6, 3, 4)
    images[:, 0] = 1, 2, 253, 254  # only the first row comes near 0 and 255
    table = np.array([[1, 0, 0, 1, 0, 1], [0, 1, 0, 1, 0, 0], [0, 0, 0, 1, 0, 1]], bool)  # whom each start fools
    starts: list[np.ndarray] = []

    def attack(start):
        starts.append(np.array(start, np.float64))
        return start

    got = function(images, attack, lambda attacked: table[(len(starts) - 1) % 3], 4, np.random.default_rng(0), starts=3)
    if len(starts) != 3:
        return f"with starts=3, `attack` was called {len(starts)} times"
    if hint := _start_problem(np.array(starts) - images, np.array(starts), 4):
        return hint
    mistakes = [
        (table[-1], "only the last start counted; join each round's answers with `|`"),
        (table.all(0), "`&` asks that *every* start succeeds; join with `|`: *any* is enough"),
        (np.zeros(6, bool), "your answer is False for each face; join each round's answers with `|`"),
        (table.mean(0), "answer for each face yes or no: did any start succeed?"),
        (table.any(), "return an answer for each face, not one for all of them"),
    ]
    return difference(got, table.any(0), mistakes)


def _start_problem(moved: np.ndarray, starts: np.ndarray, eps: float) -> str | None:
    """Say what is wrong with random starts (k, n, 3, 4), which lie ``moved`` from their images."""
    inner = moved[:, :, 1:]  # the pixels that 0..255 does not limit
    if not moved.any():
        return "you started from the image itself; add a random change"
    if np.abs(moved).max() > eps + 1e-4:
        return f"a start lay {np.abs(moved).max():.1f} levels from the image; ε was {eps}"
    if starts.min() < 0 or starts.max() > 255:
        return "clip the starts to 0..255: they must stay images"
    if np.isclose(moved[0], moved[1]).all():
        return "draw each start anew, within the loop"
    if np.isclose(np.abs(inner), eps).all():
        return "these starts are corners of the ε-ball; draw uniformly between -eps and eps, not only its two ends"
    if any(np.isclose(np.ptp(inner, axis=axis), 0).all() for axis in (2, 3)):
        return "draw a number for each pixel: give `rng.uniform` the whole shape of the images"
    if np.isclose(np.ptp(inner, axis=1), 0).all():
        return "this moves all faces by the same change; draw numbers of its own for each face, too"
    return "changes must go both ways: from -eps to eps" if (inner >= 0).all() else None


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
def transfer_rate(function) -> str | None:
    before, after = ([3] * 8 + [4, 0], [4] * 4 + [3] * 3 + [2] + [4, 4])  # the answers to ten faces
    faces = [np.repeat(answers, 48 * 48).reshape(-1, 48, 48).astype(np.uint8) for answers in (before, after)]
    got = function(lambda images: np.eye(7)[np.asarray(images)[:, 0, 0].astype(int)], *faces, 3, 4)
    if not isinstance(got, list | tuple | np.ndarray) or len(got) != 3:
        return "return three numbers: the rate, and the lower and the upper end of its interval"
    mistakes = [
        (6 / 10, "faces that the network got wrong before must not count"),
        (4 / 10, "divide by the number of faces that count, not by all"),
        (6 / 8, "leave out the uncounted faces after the attack as well"),
        (5 / 8, "count the answer `goal`, not every wrong answer"),
    ]
    if hint := difference(got[0], 4 / 8, mistakes):
        return hint
    if difference(got[1:], wilson(4, 8)):
        return "the rate is right, its interval is not: give `wilson` the hits, and the number of faces that count"
    return None


@exercise("06.4")
def smallest_eps(search) -> str | None:
    image, asked, started = np.zeros((2, 2), np.float32), [], []

    def attack(start, eps):
        asked.append(eps)
        started.append(np.max(start))
        return start + eps

    for needed in (1, 5, 16):
        found = search(image, attack, lambda hacked, needed=needed: hacked.max() >= needed)
        if any(started):
            return "attack the original image with each ε, not the result of the attack before"
        if found != needed:
            return f"where {needed} levels are needed, your function returned {found}"
    found = search(image, attack, lambda hacked: False, largest=3)
    if found is not None:
        return f"where nothing works, return None; yours returned {found}"
    if min(asked) < 1 or max(asked) > 16:
        return f"only ε from 1 to `largest` may be tried; yours tried {min(asked)} to {max(asked)}"
    found = search(image, attack, lambda hacked: hacked.max() in (3, 15, 16))
    if found != 3:
        return f"where ε = 3, 15 and 16 work, and 4 to 14 do not, yours returned {found}; try them in order, from 1"
    return None


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
            return f"PGD at ε = 2 gets {share:.0%} of these faces called {emotion}; you wrote {shares[emotion]:.0%}"
    return None
