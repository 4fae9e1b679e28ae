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
    # one thread each: they answer for the next batch while the student learns on the other cores
    taught = [Recogniser(teacher, threads=1) for teacher in teachers]
    begun = load_model(start) if start else None
    faces = ferplus_splits(splits, recipe.ferplus) if recipe.ferplus else splits
    for teacher in taught:
        if teacher.labels != faces.classes:
            raise FernbError(
                f"{teacher.path.name} cannot teach: it knows {', '.join(teacher.labels)}; "
                f"the data has {', '.join(faces.classes)}."
            )
    model, history = train(
        faces,
        recipe,
        run=run,
        seed=seed,
        resume=resume,
        bfloat16=bfloat16,
        progress=log,
        teachers=[teacher.predict for teacher in taught],
        start=begun,
        devices=devices,
    )
    heads = [(HEAD, faces, path)]
    if recipe.votes_head:
        votes_path = votes_path or path.with_name(f"{path.stem}_votes.keras")
        heads.append((VOTES_HEAD, ferplus_splits(splits), votes_path))
    return [
        publish(model, part, history=history, recipe=recipe, path=file, how=how, head=head, trained_on=splits.train)
        for head, part, file in heads
    ]
