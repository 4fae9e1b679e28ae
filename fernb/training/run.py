"""A recipe from data to files: teachers, start weights, FER+, training, publishing. What ``fernb train`` does."""

from collections.abc import Callable, Sequence
from pathlib import Path

from fernb.config import SEED
from fernb.data.faceset import FaceSplits
from fernb.data.ferplus import ferplus_splits
from fernb.errors import FernbError
from fernb.networks.architectures import HEAD, VOTES_HEAD
from fernb.networks.recogniser import Recogniser
from fernb.networks.storage import load_model
from fernb.training.batches import Teacher
from fernb.training.devices import Devices
from fernb.training.loop import train
from fernb.training.publish import publish
from fernb.training.recipes import Recipe


def train_and_publish(
    recipe: Recipe,
    splits: FaceSplits,
    *,
    run: Path,
    path: Path,
    votes_path: Path | None = None,
    teachers: Sequence[Path] = (),
    start: Path | None = None,
    seed: int = SEED,
    resume: bool = False,
    bfloat16: bool = False,
    devices: Devices | None = None,
    how: dict,
    log: Callable[[str], None] = print,
) -> list[tuple[Path, dict]]:
    """Train ``recipe`` on ``splits`` in the folder ``run``; return the path and side-car of each network written.

    The network is saved as ``path`` (``.keras``, with its copies); the second head of a recipe with
    ``votes_head`` as ``votes_path`` (default: ``path`` with ``_votes``). ``teachers`` are networks
    whose answers are learnt too (Hinton et al. 2015), ``start`` a ``.keras`` file whose weights are
    lent; both are read before the work begins. ``devices`` share the work. ``how`` goes into the
    side-car, ``log`` takes a line an epoch. Raises :class:`~fernb.errors.FernbError` for what is
    missing or does not fit.
    """
    faces = ferplus_splits(splits, recipe.ferplus) if recipe.ferplus else splits
    model, history = train(
        faces,
        recipe,
        run=run,
        seed=seed,
        resume=resume,
        bfloat16=bfloat16,
        progress=log,
        teachers=_answers(teachers, faces.classes),
        start=load_model(start) if start else None,
        devices=devices,
    )
    heads = [(HEAD, faces, path)]
    if recipe.votes_head:
        heads.append((VOTES_HEAD, ferplus_splits(splits), votes_path or path.with_name(f"{path.stem}_votes.keras")))
    return [
        publish(model, part, history=history, recipe=recipe, path=file, how=how, head=head, trained_on=splits.train)
        for head, part, file in heads
    ]


def _answers(teachers: Sequence[Path], classes: Sequence[str]) -> list[Teacher]:
    """Return what each of ``teachers`` answers with; they must know the same emotions as the student."""
    # one thread each: they answer for the next batch while the student learns on the other cores
    recognisers = [Recogniser(path, threads=1) for path in teachers]
    for teacher in recognisers:
        if teacher.labels != tuple(classes):
            raise FernbError(
                f"{teacher.path.name} cannot teach: it knows {', '.join(teacher.labels)}; "
                f"the data has {', '.join(classes)}."
            )
    return [teacher.predict for teacher in recognisers]
