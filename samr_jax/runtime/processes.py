"""Runs calls in parallel, on the local cores or on a Dask cluster."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import joblib

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.progress import progress


def run_all(
    calls: Sequence[Callable[[], Any]],
    *,
    label: str,
    on_result: Callable[[Any], None] | None = None,
    workers: int = -1,
    scheduler: str | None = None,
) -> list[Any]:
    """Runs picklable calls in parallel, and shows the progress.

    Args:
      calls: the calls, independent of one another.
      label: the text of the progress.
      on_result: is called with each result as soon as it is there, in any order.
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
    numbered = [functools.partial(_numbered, i, call) for i, call in enumerate(calls)]
    results: dict[int, Any] = {}
    with progress(len(calls), label) as shown:
        try:
            for index, result in _unordered(numbered, workers, scheduler):
                results[index] = result
                shown.update()
                if on_result is not None:
                    with shown.aside():
                        on_result(result)
            return [results[index] for index in range(len(calls))]
        except BrokenProcessPool as error:
            raise InputError(
                f"{label}: a process was killed, most often for lack of memory; "
                "expected fewer --workers. What is done is kept for the next run"
            ) from error


def _numbered(index: int, call: Callable[[], Any]) -> tuple[int, Any]:
    return index, call()


def _unordered(
    calls: Sequence[Callable[[], Any]], workers: int, scheduler: str | None
) -> Iterator[Any]:
    """The results, each as soon as it is there."""
    if scheduler is not None:
        return _on_cluster(calls, scheduler)
    parallel = joblib.Parallel(
        n_jobs=workers, batch_size=1, return_as="generator_unordered"
    )
    return parallel(joblib.delayed(call)() for call in calls)


def _on_cluster(calls: Sequence[Callable[[], Any]], scheduler: str) -> Iterator[Any]:
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
                yield future.result()
        except KilledWorker as error:
            raise BrokenProcessPool(str(error)) from error
