"""The preparation on a local Dask cluster, and after the loss of a worker."""

import functools
import os
import signal
from pathlib import Path

import pytest

from samr_jax.errors import InputError
from samr_jax.prepare.parallel import run_all

distributed = pytest.importorskip("dask.distributed")


def square(number, folder):
    """Squares; the first worker to take 3 dies of it."""
    grave = Path(folder) / "died"
    if number == 3 and not grave.exists():
        grave.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


def test_local_processes_keep_the_order():
    calls = [functools.partial(pow, n, 2) for n in range(8)]
    assert run_all(calls, label="squares", workers=2) == [n**2 for n in range(8)]


@pytest.mark.slow
def test_cluster_gives_the_same_and_survives_a_killed_worker(tmp_path):
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        calls = [functools.partial(square, n, str(tmp_path)) for n in range(6)]
        found = run_all(calls, label="squares", scheduler=cluster.scheduler_address)
    assert found == [n**2 for n in range(6)]
    assert (tmp_path / "died").exists()


def test_scheduler_that_does_not_answer_is_refused():
    with pytest.raises(InputError, match="scheduler nowhere: no answer"):
        run_all([int], label="nothing", scheduler="nowhere")
