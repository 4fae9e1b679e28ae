"""``fernb doctor``: what is here, what is missing, and the remedy, a line each."""

import platform
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from fernb import __version__, config, runtime
from fernb.errors import FernbError
from fernb.vision.detection import find_yunet


def check(*, folders: bool = True) -> tuple[list[str], bool]:
    """Return the lines, and whether all is well enough to work.

    With ``folders=False`` a file is named without its folder, so that a notebook with these lines can be
    passed on; only lines with ERROR stay whole, for what they say to do.

    Does not import TensorFlow: versions come from the packages' metadata.
    """
    lines, well = [f"python        {platform.python_version()} on {sys.platform} {platform.machine()}"], True
    lines.append(f"fernb         {__version__}")
    for name in ("numpy", "keras", "tensorflow", "ai-edge-litert", "jupyterlab"):
        lines.append(f"{name.removeprefix('ai-edge-'):<13} {_version(name)}")
    opencv, sound = _opencv()
    lines.append(opencv)
    well &= sound
    lines.append(_device())
    lines.append(_data())
    lines.append(_detector())
    lines.append(_camera())
    model, sound = _model()
    lines.append(model)
    well &= sound
    ffmpeg = shutil.which("ffmpeg")
    lines.append(
        f"ffmpeg        {'found' if ffmpeg else 'missing: annotated videos will not play in a browser; install ffmpeg'}"
    )
    if not folders:
        lines = [line if "ERROR" in line else re.sub(r"\S*[/\\]", "", line) for line in lines]
    return lines, well


def _version(name: str) -> str:
    for wheel in (name, f"{name}-cpu"):
        try:
            return version(wheel) + (" (CPU wheel)" if wheel != name else "")
        except PackageNotFoundError:
            continue
    remedy = 'pip install "fernb[lab]"' if name == "jupyterlab" else f"pip install {name}"
    return f"missing: {remedy}"


def opencv_wheels() -> list[str]:
    """Return the OpenCV wheels that are installed, as ``name version``; more than one overwrite each other."""
    found = {dist.metadata["Name"].lower(): dist.version for dist in distributions()}
    return [f"{name} {number}" for name, number in sorted(found.items()) if name.startswith("opencv-")]


def _opencv() -> tuple[str, bool]:
    wheels = opencv_wheels()
    fix = 'pip install "opencv-python-headless<5"'
    if len(wheels) > 1:
        names = " ".join(wheel.split()[0] for wheel in wheels)
        return (
            f"opencv        ERROR: {', '.join(wheels)} overwrite each other; pip uninstall {names}, then {fix}",
            False,
        )
    if not wheels:
        return f"opencv        ERROR: missing; {fix}", False
    major = int(wheels[0].split()[1].split(".")[0])
    if major >= 5:
        return f"opencv        ERROR: {wheels[0]} has no Haar cascades; {fix}", False
    return f"opencv        {wheels[0]}", True


def _device() -> str:
    gpu = shutil.which("nvidia-smi") is not None and Path("/proc/driver/nvidia").exists()
    count = runtime.cores()
    cores = f"CPU with {count} core{'' if count == 1 else 's'}"
    return f"device        {'NVIDIA GPU (training may use it), ' if gpu else ''}{cores}"


def _data() -> str:
    source = config.data_source()
    if source is None:
        return "data          drawn faces; for FER2013 run `fernb data import PATH` or `fernb data fetch`"
    return f"data          {source}" + ("" if source.exists() else " ERROR: is not there; mend FERNB_DATA")


def _detector() -> str:
    if found := find_yunet():
        return f"detector      YuNet, {found}"
    if strange := sorted(config.models_folder().glob("*yunet*.onnx")):
        return f"detector      Haar; {strange[0]} has an unknown hash and is not used; run `fernb fetch yunet`"
    return "detector      Haar; `fernb fetch yunet` gets YuNet, a better one"


def _camera() -> str:
    cameras = sorted(Path("/dev").glob("video*")) if sys.platform == "linux" else []
    if sys.platform != "linux":
        return "camera        not looked for here; `fernb live` tries camera 0"
    return f"camera        {', '.join(map(str, cameras)) or 'none; use a recorded video: fernb live --source FILE'}"


def _model() -> tuple[str, bool]:
    from fernb.networks.recogniser import Recogniser

    try:
        recogniser = Recogniser()
    except FernbError as error:
        return f"model         ERROR: {error}", False
    return f"model         {recogniser.path.name}, {len(recogniser.labels)} emotions", True
