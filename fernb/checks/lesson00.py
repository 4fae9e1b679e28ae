"""The check of the first notebook's one exercise."""

from collections.abc import Callable

from fernb.checks import difference, exercise


@exercise("00.1")
def pixels(count_pixels: Callable[[int], int]) -> str | None:
    n = 5
    mistakes = [
        (n * 48, "that is one row or column of each face; a face has 48 rows of 48 pixels"),
        (48 * 48, "that is one face; `n` may be any number"),
        (n * (48 + 48), "rows and columns are multiplied, not added: each of the 48 rows has 48 pixels"),
        ((n * 48) ** 2, "`n` stands in it twice: `n` faces have `n` times the pixels of one"),
        (n * 48 * 48 * 3, "a grey pixel is one number; count pixels, not colours"),
    ]
    hint = difference(count_pixels(n), n * 48 * 48, mistakes)
    return hint and f"for n = {n}: {hint}"
