"""Two processes on one machine are one run, and so are two devices of one process."""

import os
import signal
import subprocess
import sys

import pytest

from samr_jax.runtime import peers
from samr_jax.runtime.errors import InputError
from samr_jax.training.loop import train_and_evaluate
from tests.commands import ROOT
from tests.faults.bench import (
    check_same_state,
    final_state,
    free_port,
    log_lines,
    newest,
    result,
)
from tests.faults.child import small_config

pytestmark = pytest.mark.slow


def check_like_one_device(bench, workdir):
    """The same steps are logged, and the first one has the same losses.

    The batch is the same, but sums over it are taken in another order. What this does
    to the parameters grows from step to step.
    """
    ours, theirs = log_lines(workdir), log_lines(bench.straight)
    assert [e["step"] for e in ours] == [e["step"] for e in theirs]
    assert ours[0].keys() == theirs[0].keys()
    for name, value in theirs[0].items():
        assert ours[0][name] == pytest.approx(value, rel=1e-4, abs=1e-6), name


def test_two_processes_train_evaluate_checkpoint_and_resume(bench):
    workdir = bench.new_path("pair")
    bench.finish_pair(workdir)
    check_like_one_device(bench, workdir)
    last = newest(workdir)
    assert last.name == "12" and result(workdir)["step"] == 12
    # Without the last checkpoint, both go back by two steps and take them again.
    before = final_state(workdir)
    last.rename(bench.new_path("moved"))
    for ended in bench.finish_pair(workdir):
        assert "resuming at step 10" in ended.output
    check_same_state(final_state(workdir), before)


def test_two_devices_equal_one_and_share_checkpoints(bench):
    workdir = bench.new_path("devices")
    flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2"
    ended = bench.finish(workdir, environment={"XLA_FLAGS": flags})
    assert "2 cpu device(s), 1 process(es)" in ended.output
    check_like_one_device(bench, workdir)
    # On one device, the finished run of two is only evaluated again.
    trained = log_lines(workdir)
    assert train_and_evaluate(small_config(bench.dataset), workdir)["step"] == 12
    assert log_lines(workdir) == trained


def test_four_devices_take_the_same_steps_and_synthesize_the_same_images(bench):
    """Steps under `jax.pmap` and `jax.shard_map`, and a batch that is divided."""
    flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.four_devices", bench.dataset],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = ["the same steps on 4 devices", "the same images on 4 devices"]
    assert done.stdout.splitlines() == said


_LOST = """
import os, pathlib, signal, sys, time
from samr_jax.runtime.launching import run

connected = pathlib.Path(sys.argv[1])

def die():
    while not connected.exists():
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)

def wait():
    connected.touch()
    time.sleep(60)

run(die if os.environ["JAX_PROCESS_ID"] == "0" else wait)
"""


def test_the_loss_of_the_coordinating_process_is_one_line(tmp_path):
    """JAX then aborts the other process in a thread of its own."""
    address = f"localhost:{free_port()}"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", _LOST, tmp_path / "connected"],
            env={
                **os.environ,
                "JAX_COORDINATOR_ADDRESS": address,
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": str(index),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [-signal.SIGKILL, 1]
    [line] = [line for line in said[1].splitlines() if line.startswith("error:")]
    assert "another process has failed" in line and "JAX's own message" in line
    assert "Terminating process" in said[1]  # JAX's own message


@pytest.mark.parametrize(
    "address, count, index, message",
    [
        ("localhost:1", "", "0", "JAX_NUM_PROCESSES is not set, expected with"),
        ("localhost:1", "2", "", "JAX_PROCESS_ID is not set, expected with JAX_COORD"),
        ("localhost", "2", "0", "ADDRESS=localhost, expected HOST:PORT"),
        ("localhost:x", "2", "0", "=localhost:x, expected HOST:PORT"),
        ("localhost:1", "two", "0", "JAX_NUM_PROCESSES=two, expected their number"),
        ("localhost:1", "0", "0", "JAX_NUM_PROCESSES=0, expected their number"),
        ("localhost:1", "2", "2", "JAX_PROCESS_ID=2, expected 0 to 1"),
        ("localhost:1", "2", "-1", "JAX_PROCESS_ID=-1, expected 0 to 1"),
    ],
)
def test_wrong_descriptions_of_the_processes(
    address, count, index, message, monkeypatch
):
    names = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
    for name, value in zip(names, (address, count, index), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        peers.connect()
