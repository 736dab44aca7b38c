"""Fixtures of the whole suite: a shared cache, a tiny dataset and a finished run."""

import os
from pathlib import Path

import jax
import pytest

from samr_jax.data.dataset import open_dataset
from samr_jax.runtime.files import locked
from tests.tiny import tiny_config, tiny_dataset

LONGEST = (
    "prepare/test_truth.py",
    "runtime/test_distributed.py",
    "methods/test_method_steps.py",
    "prepare/test_real_patients.py",
    "training/test_step.py",
    "inference/test_scanned_brain.py",
    "faults/test_faults.py",
    "training/test_loop.py",
    "prepare/test_strip.py",
    "launch/test_wheel.py",
    "runs/test_older_runs.py",
    "methods/test_methods.py",
    "prepare/test_prepare.py",
)
"""The files of tests that take longest, in seconds of a processor."""


def pytest_collection_modifyitems(items):
    """Puts the longest files first, so that no process is left with one at the end."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that is the same in all processes of the suite."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def cache(shared) -> Path:
    """A cache of the suite's own, shared with the commands that tests start."""
    directory = shared / "cache"
    directory.mkdir(mode=0o700, exist_ok=True)
    os.environ["SAMR_JAX_CACHE"] = str(directory)
    jax.config.update("jax_compilation_cache_dir", str(directory / "compiled"))
    return directory


@pytest.fixture(scope="session")
def dataset(shared):
    """A dataset of random blobs: 5 subjects, 3 slices of 32 x 32, 2 sequences."""
    with locked(shared / "blobs.lock", wait=True):
        if not (shared / "blobs").exists():
            tiny_dataset(shared / "blobs")
    return open_dataset(shared / "blobs")


@pytest.fixture
def config(dataset):
    """A config that trains on `dataset` in seconds."""
    return tiny_config(dataset)


@pytest.fixture(scope="session")
def trained(dataset, shared) -> Path:
    """Work directory of a finished run."""
    from samr_jax.training.loop import train_and_evaluate

    workdir = shared / "trained"
    with locked(shared / "trained.lock", wait=True):
        if not (workdir / "metrics.json").exists():
            train_and_evaluate(tiny_config(dataset), workdir)
    return workdir


@pytest.fixture(scope="session")
def bench(shared):
    """Starts small runs in processes of their own; see `tests.faults.bench.Bench`."""
    from tests.faults.bench import Bench

    return Bench(shared / "bench")


@pytest.fixture
def real_data() -> Path:
    """Folder of real cases; the test is skipped without it."""
    if "SAMR_REAL_DATA" not in os.environ:
        pytest.skip("SAMR_REAL_DATA names no folder of real cases")
    return Path(os.environ["SAMR_REAL_DATA"])
