"""Preparation in several processes and on a Dask cluster that loses a worker."""

import dataclasses
import functools
import os
import signal

import pytest

from samr_jax.prepare import pipeline
from samr_jax.prepare.cohort.jobs import Job
from samr_jax.prepare.options import Steps
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.processes import run_all
from tests.prepare.test_prepare import prepare_small, write_subject

distributed = pytest.importorskip("dask.distributed")
pytest.importorskip("ants")

STEPS = Steps(register="on", bias="off", tissue="off")


@dataclasses.dataclass(frozen=True)
class Mortal(Job):
    """A job that kills the first worker that takes it."""

    def run(self):
        grave = self.folder / "died"
        if not grave.exists():
            grave.parent.mkdir(parents=True, exist_ok=True)
            grave.touch()
            die()
        return super().run()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Three subjects whose sequences are registered with ANTs."""
    folder = tmp_path_factory.mktemp("raw")
    for index in range(3):
        write_subject(folder, index)
    return folder


@pytest.fixture(scope="module")
def local(raw, tmp_path_factory):
    """The dataset that a single process makes of the three subjects."""
    return prepare_small(
        raw, tmp_path_factory.mktemp("local") / "out", steps=STEPS, page=True
    )


@pytest.mark.slow
def test_two_processes_give_the_same_as_one(raw, local, tmp_path):
    dataset = prepare_small(raw, tmp_path / "out", steps=STEPS, workers=2, page=True)
    assert dataset.content_hash == local.content_hash


@pytest.mark.slow
def test_cluster_gives_the_same_though_a_worker_is_killed(
    raw, local, tmp_path, monkeypatch
):
    def make_jobs(*arguments, **options):
        first, second, third = original(*arguments, **options)
        fields = {f.name: getattr(second, f.name) for f in dataclasses.fields(Job)}
        return [first, Mortal(**fields), third]

    original = pipeline.make_jobs
    monkeypatch.setattr(pipeline, "make_jobs", make_jobs)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        dataset = prepare_small(
            raw, tmp_path / "out", steps=STEPS, scheduler=cluster.scheduler_address
        )
    assert (tmp_path / "out.work" / "subjects" / "died").exists()
    assert dataset.content_hash == local.content_hash
    assert dataset.splits == local.splits


@pytest.mark.slow
def test_errors_come_back_from_a_cluster():
    """An exception in a call, and a call that kills every worker that takes it."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        cluster.scheduler.allowed_failures = 0
        pool = {"label": "trial", "scheduler": cluster.scheduler_address}
        with pytest.raises(ValueError, match="invalid literal"):
            run_all([functools.partial(int, "1"), functools.partial(int, "x")], **pool)
        with pytest.raises(InputError, match="trial: a process was killed, most oft"):
            run_all([die], **pool)


def test_killed_process_is_told():
    """A process is killed, as when memory runs out."""
    calls = [functools.partial(pow, 2, 2), die]
    with pytest.raises(InputError, match="trial: a process was killed, most often for"):
        run_all(calls, label="trial", workers=2)


def test_scheduler_that_does_not_answer_is_refused():
    with pytest.raises(InputError, match="scheduler nowhere: no answer"):
        run_all([int], label="nothing", scheduler="nowhere")
