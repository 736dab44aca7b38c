"""Subjects in parallel: the local cores, or a Dask cluster."""

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
      calls: independent of one another.
      label: what the bar says.
      workers: processes on this machine, -1 for one a core.
      scheduler: address of a Dask scheduler whose workers see the same files; calls of
        a worker that dies are run by another.

    Returns:
      The results, in order.

    Raises:
      InputError: there is no such scheduler, or processes were killed. What a call
        raises comes through.
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
    """By Dask itself: joblib's backend for it waits for ever for a call that has killed
    one worker after the other."""
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
    """Tells a bar of each call that is done; joblib has the hook but no option."""

    def __init__(self, bar: tqdm, **options):
        super().__init__(batch_size=1, **options)
        self._bar = bar

    def print_progress(self) -> None:
        self._bar.n = self.n_completed_tasks
        self._bar.refresh()
