"""Two processes on one machine are one run."""

import json
import socket
import subprocess

import jax
import numpy as np
import pytest

from samr_jax.runs.checkpoint import Checkpoints
from tests.training.test_loop import command, logged_steps


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def run_two(workdir, dataset, *overrides):
    address = f"localhost:{free_port()}"
    processes = []
    for index in range(2):
        call = command(workdir, dataset, *overrides)
        call["env"] |= {
            "JAX_COORDINATOR_ADDRESS": address,
            "JAX_NUM_PROCESSES": "2",
            "JAX_PROCESS_ID": str(index),
        }
        processes.append(subprocess.Popen(**call))
    errors = [process.communicate(timeout=400)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    return errors


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_train_evaluate_checkpoint_and_resume(dataset, trained, tmp_path):
    workdir = tmp_path / "run"
    run_two(workdir, dataset)
    # The global batch is the same, so the first step's losses are one process's.
    ours, theirs = logged_steps(workdir), logged_steps(trained)
    assert [e["step"] for e in ours] == [e["step"] for e in theirs]
    for name, value in theirs[0].items():
        assert ours[0][name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert json.loads((workdir / "metrics.json").read_text())["step"] == 4
    # Without the last checkpoint, both go back by one and arrive at the same state.
    before = _state(workdir)
    checkpoint = workdir / "checkpoints" / "4"
    checkpoint.rename(tmp_path / "moved")
    errors = run_two(workdir, dataset)
    assert all("resuming at step 3" in text for text in errors)
    for a, b in zip(*map(jax.tree.leaves, (before, _state(workdir))), strict=True):
        np.testing.assert_array_equal(a, b)


def _state(workdir):
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    state, _ = checkpoints.read()
    checkpoints.close()
    return state


def test_half_a_description_of_the_processes(tmp_path, dataset):
    call = command(tmp_path / "run", dataset)
    call["env"] |= {"JAX_COORDINATOR_ADDRESS": "localhost:1"}
    for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"):
        call["env"].pop(name, None)
    process = subprocess.run(**call, check=False)
    assert process.returncode == 1
    assert "error: JAX_NUM_PROCESSES is not set" in process.stderr
