"""The check of the first notebook's one exercise."""

from collections.abc import Callable

from fernb.checks import difference, exercise


@exercise("00.1")
def pixels(count_pixels: Callable[[int], int]) -> str | None:
    mistakes = [
        (3 * 48, "that is one row or column of each face; a face has 48 rows of 48 pixels"),
        (48 * 48, "that is one face; `n` may be any number"),
    ]
    return difference(count_pixels(3), 3 * 48 * 48, mistakes)
