"""The capstone's experiment on four drawn heads: ``results/course/capstone_heads.json``.

    python benchmarks/capstone_heads.py [--out FILE]

It runs the code of ``notebooks/more/07_capstone.ipynb`` itself, once for the committed clip (``page``) and once
for each of the heads 1 to 3, up to the table of all versions; then the exercises' versions: two darker ones, a
blurred one, and grey blocks of 90 x 150 pixels over mouth, brows, hair and cheeks (there in two halves). Other
heads are written without loss, as the notebook's program does.

For each version: the seconds that the clip had right and the version has not (``lost``), the other way round
(``won``), those without a face, the same for stretches, the answers, and the mean probability of the truth, for
each emotion and over all; null where an emotion has no face left. For *both* on the committed clip also what
fernb would show in each frame.
"""

import contextlib
import io
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
import cv2
import matplotlib.pyplot as plt
import nbformat
import numpy as np
from _common import out_option, write

from fernb import config
from fernb.data import synthetic
from fernb.video.reading import FaceReader

LESSON = config.ROOT / "notebooks" / "more" / "07_capstone.ipynb"
LAST = "lm08-12t"  # the cell with the table of all versions
HEADS = (1, 2, 3)
BLOCKS = {  # rows and columns
    "mouth": [np.s_[270:360, 250:400]],
    "brows": [np.s_[100:190, 250:400]],
    "hair": [np.s_[35:125, 250:400]],
    "cheeks": [np.s_[210:300, 235:310], np.s_[210:300, 340:415]],
}


def draw(number: int, path: Path) -> None:
    """Write the clip of another head, as the notebook's program does."""
    person = synthetic.random_identity(np.random.default_rng(number))
    lossless = cv2.VideoWriter.fourcc(*"FFV1")
    video = cv2.VideoWriter(str(path), lossless, synthetic.CLIP_FPS, synthetic.CLIP_SIZE)
    for frame in synthetic.clip_frames(person=person):
        video.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    video.release()


def run_lesson(clip: Path | None, out: Path) -> dict:
    """Run the notebook's cells for a clip (None: the committed one); return all that they define."""
    space: dict = {"display": lambda *shown: None}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            exec(cell.source, space)
        plt.close("all")
        if "parameters" in cell.metadata.get("tags", []):
            space |= {"OUT": out} | ({"CLIP": clip} if clip else {})
        if cell.id == LAST:
            break
    return space


def exercise_versions(space: dict) -> dict[str, Callable]:
    """Return the versions of the exercises: darker ones, and the blocks."""

    def darker(rgb: np.ndarray) -> np.ndarray:
        return (rgb / 16).astype(np.uint8)

    def covered(places: list) -> Callable:
        def change(rgb: np.ndarray) -> np.ndarray:
            rgb = rgb.copy()
            for place in places:
                rgb[place] = 128
            return rgb

        return change

    dark = {
        "darker": darker,
        "pale": lambda rgb: darker(rgb) + 112,
        "times 16": lambda rgb: space["brighter"](darker(rgb), 16),
        "blurred": lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 8),
    }
    return dark | {f"{name} covered": covered(places) for name, places in BLOCKS.items()}


def counted(space: dict, table) -> dict:
    """Return the figures of one version."""
    scored, stretch, truth = space["scored"], space["stretch"], space["truth"]
    pair = scored.join(table.add_suffix("_now"), how="inner")
    was, now = pair["answer"] == pair["truth"], pair["answer_now"] == pair["truth"]
    runs_was, runs_now = (right.groupby(stretch).mean() > 0.5 for right in (was, now))
    means = space["means_of"](table)
    mean = means.mean(skipna=False)
    return {
        "right": int((table["answer"] == table["truth"]).sum()),
        "lost": int((was & ~now).sum()),
        "lost_of": {name: int(n) for name, n in pair[was & ~now]["truth"].value_counts().items()},
        "won": int((~was & now).sum()),
        "without_a_face": len(truth) - len(table),
        "stretches_lost": int((runs_was & ~runs_now).sum()),
        "stretches_won": int((~runs_was & runs_now).sum()),
        "mean": None if np.isnan(mean) else round(float(mean), 4),
        "means": {name: None if np.isnan(value) else round(float(value), 4) for name, value in means.items()},
        "answers": {name: int(n) for name, n in table["answer"].value_counts().items()},
    }


def shown_in_both(space: dict) -> dict:
    """Return for each second of *both* how often fernb would show each name, by its own smoothing and limits."""
    space["start_noise"]()
    both, small = space["versions"]["both"], space["small_frames"]
    changed = (space["replace"](frame, rgb=both(frame.rgb)) for frame in small())
    seconds: dict[int, Counter] = {}
    for frame, found in (reader := FaceReader()).read(changed):
        if found:
            seconds.setdefault(int(frame.time_s), Counter())[found[0].shown(reader.recogniser.labels)[0]] += 1
    return {f"{second} {space['truth'][second]}": dict(names) for second, names in seconds.items()}


@click.command(help=__doc__)
@out_option(config.RESULTS / "course" / "capstone_heads.json")
def main(out: Path) -> None:
    heads, shown = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("page", *HEADS):
            clip = None if name == "page" else Path(folder) / f"head_{name}.avi"
            if clip:
                draw(name, clip)
            space = run_lesson(clip, Path(folder) / "out")
            tables = {"clip": space["scored"]} | space["results"] | space["draws"] | space["between_tables"]
            tables |= {what: space["reread"](change) for what, change in exercise_versions(space).items()}
            heads[f"{name}"] = {what: counted(space, table) for what, table in tables.items()}
            shown = shown or shown_in_both(space)
            click.echo(f"head {name}: {heads[f'{name}']['clip']['right']} seconds right")
    write(out, {"heads": heads, "shown_in_both_on_the_page": shown})


if __name__ == "__main__":
    main()
