"""Runs subjects in parallel, on the local cores or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import joblib
from tqdm import tqdm

from samr_jax.runtime.errors import InputError


def run_all(
    calls: Sequence[Callable[[], Any]],
    *,
    label: str,
    workers: int = -1,
    scheduler: str | None = None,
) -> list[Any]:
    """Runs picklable calls in parallel, with a progress bar.

    Args:
      calls: the calls, independent of one another.
      label: the text of the progress bar.
      workers: number of processes on this machine; -1 takes one for each core.
      scheduler: address of a Dask scheduler whose workers see the same files. If a
        worker dies, another one runs its calls.

    Returns:
      The results, in the order of the calls.

    Raises:
      InputError: the scheduler does not answer, or a process was killed. Any exception
        of a call is raised, too.
    """
    if workers == 0:
        raise InputError("workers 0, expected -1 for one a core, or their number")
    with tqdm(total=len(calls), desc=label, unit="") as bar:
        try:
            if scheduler is not None:
                return _on_cluster(calls, scheduler, bar)
            parallel = _Counting(bar, n_jobs=workers)
            return list(parallel(joblib.delayed(call)() for call in calls))
        except BrokenProcessPool as error:
            raise InputError(
                f"{label}: a process was killed, most often for lack of memory; "
                "expected fewer --workers. What is done is kept for the next run"
            ) from error


def _on_cluster(
    calls: Sequence[Callable[[], Any]], scheduler: str, bar: tqdm
) -> list[Any]:
    """Runs the calls by Dask itself.

    joblib's Dask backend waits for ever if a call kills every worker that takes it.
    """
    try:
        from dask.distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise InputError(
            "Dask is not installed, expected it for a scheduler: "
            "pip install 'samr-jax[dask]'"
        ) from None
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(
            f"scheduler {scheduler}: no answer ({error}), expected a Dask scheduler"
        ) from error
    with client:
        futures = [client.submit(call, pure=False) for call in calls]
        try:
            for future in as_completed(futures):
                if future.status == "error":
                    future.result()
                bar.update()
            return client.gather(futures)
        except KilledWorker as error:
            raise BrokenProcessPool(str(error)) from error


class _Counting(joblib.Parallel):
    """Moves a progress bar after each call: joblib has a hook but no option."""

    def __init__(self, bar: tqdm, **options):
        super().__init__(batch_size=1, **options)
        self._bar = bar

    def print_progress(self) -> None:
        self._bar.n = self.n_completed_tasks
        self._bar.refresh()
