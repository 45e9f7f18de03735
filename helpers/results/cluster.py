"""Entries on a Dask cluster, behind joblib. Needs the extra `cluster` of pyproject.toml."""

from contextlib import contextmanager

from distributed import Client
from joblib import parallel_config
from joblib._dask import DaskDistributedBackend

from helpers.results import entries

PATIENCE = 10  # seconds for a scheduler to answer, and for a first worker


class ClusterError(Exception):
    """The cluster cannot be used; the message is one line that says what to do."""


class Backend(DaskDistributedBackend):
    """joblib's backend for Dask, for entries that take minutes (joblib 1.6).

    Without it joblib would wait for ever for an entry whose worker has died, of which its own
    backend does not tell it, and where there is one worker compute in this process.
    """

    def effective_n_jobs(self, n_jobs):
        return max(2, super().effective_n_jobs(n_jobs))

    def submit(self, func, callback=None):
        future = super().submit(func, callback)
        future.add_done_callback(lambda done: done.exception() and callback(done.exception()))
        return future


@contextmanager
def cluster(address):
    """In the block, joblib computes on the workers of the scheduler at `address`. -> how many

    Raises ClusterError where it does not answer, has no workers, or these cannot compute entries
    as this machine would.
    """
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise ClusterError(f"no Dask scheduler answers at {address}: {reason}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            text = f"the scheduler at {address} has no workers: start them with `dask worker`"
            raise ClusterError(text) from error
        for worker, threads in client.nthreads().items():
            if threads > 1:
                text = f"worker {worker} has {threads} threads, and an entry needs a process of its"
                raise ClusterError(f"{text} own: `dask worker --nthreads 1 --nworkers N`")
        here = entries.commit()
        for worker, there in client.run(entries.commit, on_error="return").items():
            if isinstance(there, Exception):
                text = f"worker {worker} cannot import the course ({there}): start it from a clone,"
                raise ClusterError(f"{text} with `.venv/bin/dask worker`")
            if there != here:
                raise ClusterError(f"worker {worker} has the course at {there}, here it is {here}")
        with parallel_config(backend=Backend(client=client)):
            yield len(client.nthreads())
