"""JupyterLab on a server of its own in headless Chromium with a fake camera, for tests and benchmarks."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import nbformat
import numpy as np

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
# each camera stream that a page ever got
WATCH = """
window.cameras = [];
if (navigator.mediaDevices) {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.ask = async (wish) => {
    const stream = await ask(wish);
    window.cameras.push(stream);
    return stream;
  };
  navigator.mediaDevices.getUserMedia = window.ask;
}
window.lit = () => window.cameras.flatMap((s) => s.getTracks()).filter((t) => t.readyState === "live").length;
window.readings = [];
document.addEventListener("fernb-reading", (event) => window.readings.push(event.detail), true);
"""


@contextlib.contextmanager
def jupyter(folder: Path) -> Iterator[str]:
    """Run a JupyterLab server in ``folder`` with settings of its own; give its address with the token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, home = secrets.token_hex(8), folder / ".jupyter"
    settings = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(QUIET))
    own = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{kind}_DIR": str(home / kind.lower()) for kind in ("SETTINGS", "WORKSPACES")}
    options = [f"--port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    options += ["--no-browser", "--LabApp.expose_app_in_browser=True", "--ServerApp.port_retries=0", "--allow-root"]
    outside = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # figures go into the page
    log = (folder / "jupyter.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options], env=outside | own, stdout=log, stderr=log, cwd=folder
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server, folder / "jupyter.log")
        yield f"http://127.0.0.1:{port}/lab/tree/{{notebook}}?reset&token={token}"
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def _wait_for(address: str, server: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


def version() -> str:
    """Return the browser's name and version."""
    return subprocess.run([CHROMIUM, "--version"], capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def chromium(playwright, folder: Path, camera: Path | None = None, allowed: bool = True):
    """Start Chromium; ``camera`` is a clip of :func:`write_mjpeg`, None: there is no camera."""
    flags = [*FLAGS]
    if camera:
        flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"]
    if allowed:
        flags += ["--use-fake-ui-for-media-stream"]
    context = playwright.chromium.launch_persistent_context(
        folder, executable_path=CHROMIUM, args=flags, viewport=WINDOW
    )
    context.add_init_script(WATCH)
    try:
        yield context
    finally:
        context.close()


READY = "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
WINDOW = {"width": 1100, "height": 1250}


def write_notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of code cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)
    return path


def run_notebook(context, address: str, notebook: Path, seconds: float = 40, shown: str = ".fernb-webcam"):
    """Open a notebook, run all of its cells, and return the page when a widget is ``shown``."""
    page = context.new_page()
    page.goto(address.format(notebook=notebook.name), wait_until="domcontentloaded")
    page.wait_for_function("window.jupyterapp && document.querySelector('.jp-Notebook .jp-Cell')", timeout=60_000)
    page.wait_for_function(READY, timeout=60_000)  # sooner, JupyterLab would ask which kernel to take
    command(page, "notebook:run-all-cells")
    page.wait_for_selector(shown, timeout=1000 * seconds)
    return page


def command(page, name: str) -> None:
    """Run one of JupyterLab's commands, without waiting for its end."""
    page.evaluate("name => void jupyterapp.commands.execute(name)", name)


def run_cell(page, index: int) -> None:
    """Run a cell by its place, without waiting for its end."""
    page.evaluate("index => { jupyterapp.shell.currentWidget.content.activeCellIndex = index }", index)
    command(page, "notebook:run-cell")


def write_mjpeg(path: Path, pictures: list[np.ndarray]) -> Path:
    """Write RGB pictures as the clip of a fake camera, which Chromium repeats at 30 a second."""
    path.write_bytes(b"".join(cv2.imencode(".jpg", rgb[..., ::-1])[1].tobytes() for rgb in pictures))
    return path
