"""Many videos on many machines: :mod:`fernb.video.batch` with Dask as the one who hands out the work.

Needs the extra ``[cluster]``. A scheduler runs what it is sent, so it belongs into a network of your
own, or behind TLS (Dask's documentation, "Security").
"""

from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fernb import runtime
from fernb.errors import FernbError
from fernb.video.batch import Outcome, Runner, Work, noted

TIMEOUT_S = 10.0  # seconds for the scheduler to answer, and for a first worker to be there
ENDED = ("cancelled", "lost")  # states of a job when the scheduler is gone


@contextmanager
def on_cluster(scheduler: str) -> Iterator[Runner]:
    """Give a :data:`~fernb.video.batch.Runner` whose work is done by the workers of a Dask scheduler.

    ``scheduler`` is its address, such as ``tcp://host:8786``, or ``local`` for one that is started
    here with a worker a core and ends with the block. All workers need fernb, and see the videos and
    the output folder at the same paths. When a worker dies, another one does the video that it was
    at; a video that four workers died of has failed.

    Raises :class:`~fernb.errors.FernbError` where no scheduler answers, none of its workers is
    there, or it goes away in the middle of the work.
    """
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        if scheduler == "local":
            cluster = LocalCluster(n_workers=runtime.cores(), threads_per_worker=1, dashboard_address=":0")
            scheduler = stack.enter_context(cluster).scheduler_address
        try:
            client = stack.enter_context(Client(scheduler, timeout=TIMEOUT_S, set_as_default=False))
            client.wait_for_workers(1, timeout=TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise FernbError(
                f"no Dask scheduler with a worker answers at {scheduler}; "
                f"start them with `dask scheduler` and `dask worker {scheduler} --nthreads 1`."
            ) from error

        def run(work: Work, sources: Sequence[Path], out: Path, options: dict) -> Iterator[tuple[Path, Outcome]]:
            from distributed import KilledWorker, as_completed

            jobs = {client.submit(noted, work, one, out, options, pure=False): one for one in sources}
            for job in as_completed(list(jobs), loop=client.loop):
                if job.status in ENDED:
                    raise FernbError(f"the scheduler at {scheduler} is gone; the same command goes on with the rest.")
                error = job.exception()
                outcome = BrokenProcessPool() if isinstance(error, KilledWorker) else error or job.result()
                source = jobs.pop(job)
                job.release()  # else it would be worked out again when the worker that keeps its result dies
                yield source, outcome

        yield run
