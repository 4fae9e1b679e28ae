"""What a process needs before it works: seeds, TensorFlow started quietly, cores. Taught in notebook 01."""

import contextlib
import os
import random
import sys
import threading
from collections.abc import Iterator

import numpy as np

from fernb.config import SEED, Profile, profile

_STDERR = threading.RLock()


def setup(tf: bool = False) -> Profile:
    """Seed everything, say in one line what runs where, and return the profile.

    The first call of every notebook. ``tf=True`` also imports TensorFlow quietly, lets a GPU's
    memory grow instead of taking it all, and seeds Keras. In Jupyter, figures are kept as JPEG,
    which holds a notebook of photographs under a megabyte.
    """
    chosen = profile()
    random.seed(SEED)
    np.random.seed(SEED)
    device = start_tensorflow() if tf else "CPU"
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("jpeg", pil_kwargs={"quality": 80, "optimize": True, "progressive": True})
    from fernb import __version__

    print(f"fernb {__version__} · profile {chosen.name} · {device} · seed {SEED}")
    return chosen


def start_tensorflow() -> str:
    """Import TensorFlow quietly, seed it, let GPUs take memory as they need it; return what it runs on."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with silent_stderr():
        import keras
        import tensorflow

        gpus = tensorflow.config.list_physical_devices("GPU")
    for gpu in gpus:
        tensorflow.config.experimental.set_memory_growth(gpu, True)
    tensorflow.get_logger().setLevel("ERROR")  # no advice on retracing amid a reader's results
    keras.utils.set_random_seed(SEED)
    return f"{len(gpus)} GPU" if gpus else "CPU"


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Keep quiet what native code says on the bare file descriptor 2, which no Python setting reaches.

    The descriptor belongs to the whole process, so one thread at a time does this.
    """
    with _STDERR, contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # there may be no standard error at all
            if sys.stderr:
                sys.stderr.flush()
            kept = os.dup(2)
            stack.callback(os.close, kept)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            stack.callback(os.close, nowhere)
            os.dup2(nowhere, 2)
            stack.callback(os.dup2, kept, 2)
        yield


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
