"""The loop: what it leaves behind, how it resumes, and how it refuses."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runtime.errors import InputError, TrainingError
from samr_jax.runtime.files import locked
from samr_jax.training.loop import train_and_evaluate
from tests.commands import launch

CONFIG = "tests/configs/tiny.py"


def command(workdir, dataset, *overrides, devices=1):
    flags = os.environ["XLA_FLAGS"]
    return {
        "args": [
            sys.executable,
            "launch/main.py",
            f"--config={CONFIG}",
            f"--workdir={workdir}",
            f"--config.data.dir={dataset.directory}",
            *overrides,
        ],
        "env": {
            **os.environ,
            "PYTHONPATH": ".",
            "XLA_FLAGS": f"{flags} --xla_force_host_platform_device_count={devices}",
        },
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def logged_steps(workdir):
    path = workdir / "metrics.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def final_state(workdir):
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    state, _ = checkpoints.read()
    checkpoints.close()
    return state


def interrupt(workdir, dataset, number, *, after):
    """Starts a run, sends it a signal once it has logged a step, waits for its end."""
    process = subprocess.Popen(**command(workdir, dataset))
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if any(entry["step"] >= after for entry in logged_steps(workdir)):
            process.send_signal(number)
            break
        time.sleep(0.02)
    _, stderr = process.communicate(timeout=300)
    return process.returncode, stderr


def test_a_run_leaves_what_it_promises(trained):
    for name in ("config.json", "metrics.json", "table.md", "figures/comparison.png"):
        assert (trained / name).stat().st_size > 0
    assert list((trained / "events").glob("events.out.tfevents.*"))
    assert len(list((trained / "figures").glob("step-*.png"))) == 2
    entries = logged_steps(trained)
    assert [e["step"] for e in entries if "gen/total" in e] == list(range(1, 5))
    assert all(math.isfinite(value) for entry in entries for value in entry.values())
    result = json.loads((trained / "metrics.json").read_text())
    assert result["simulated"] is True and result["split"] == "test"
    assert set(result["sequences"]) == {"T1w", "APTw"}
    assert "simulated" in (trained / "table.md").read_text()


def test_only_latest_and_best_checkpoints_stay(trained):
    checkpoints = Checkpoints(trained / "checkpoints", read_only=True)
    steps = checkpoints.steps()
    assert steps[-2:] == [3, 4] and checkpoints.best() in steps and len(steps) <= 3
    checkpoints.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_resumes_bit_for_bit_after_sigterm_and_kill(dataset, tmp_path):
    workdir, straight = tmp_path / "interrupted", tmp_path / "undisturbed"
    subprocess.run(**command(straight, dataset), check=True)
    code, stderr = interrupt(workdir, dataset, signal.SIGTERM, after=1)
    assert code == 0, stderr
    stopped_at = final_state(workdir)["step"]
    assert 1 <= stopped_at <= 4
    if stopped_at < 4:
        assert "asked to stop" in stderr
        code, stderr = interrupt(workdir, dataset, signal.SIGKILL, after=stopped_at + 1)
        assert code in (0, -signal.SIGKILL), stderr
    subprocess.run(**command(workdir, dataset), check=True)
    resumed, undisturbed = final_state(workdir), final_state(straight)
    for a, b in zip(*map(jax.tree.leaves, (resumed, undisturbed)), strict=True):
        np.testing.assert_array_equal(a, b)
    ours, theirs = logged_steps(workdir), logged_steps(straight)
    assert {e["step"]: e for e in ours} == {e["step"]: e for e in theirs}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_devices_equal_one_and_share_checkpoints(dataset, trained, tmp_path):
    workdir = tmp_path / "two"
    process = subprocess.run(**command(workdir, dataset, devices=2), check=False)
    assert process.returncode == 0, process.stderr
    ours, theirs = logged_steps(workdir)[0], logged_steps(trained)[0]
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    # On one device, the finished run of two is only evaluated again.
    assert train_and_evaluate(_config_of(dataset), workdir) is not None


def _config_of(dataset):
    from tests.tiny import tiny_config

    return tiny_config(dataset)


def test_divergence_stops_with_the_terms_name(config, tmp_path):
    config.learning_rate = 1e30
    with pytest.raises(TrainingError, match=r"step \d+: (gen|disc)/\w+ is (nan|inf)"):
        train_and_evaluate(config, tmp_path)
    saved = Checkpoints(tmp_path / "checkpoints", read_only=True)
    for step in saved.steps():
        state, _ = saved.read(step)
        assert np.isfinite(state["gen"]["opt_state"][0]["mu"]).all()
    saved.close()


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("batch_size", 0, "config.batch_size is 0, expected a positive number"),
        ("loss.gan", "wgan", "config.loss.gan is 'wgan', expected one of"),
        ("method", "gan", "config.method is 'gan', expected one of"),
        ("clip_norm", -1.0, "config.clip_norm is -1.0, expected 0 or more"),
        ("constant_epochs", 9, "config.constant_epochs is 9, expected 0 to"),
        ("model.downsamplings", 6, "expected a multiple of 64"),
        ("data.dir", "nowhere", "nowhere: no dataset.json, expected"),
    ],
)
def test_wrong_configs_are_one_line(config, tmp_path, field, value, message):
    config.update_from_flattened_dict({field: value})
    with pytest.raises(InputError) as caught:
        train_and_evaluate(config, tmp_path / "run")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.glob("run/checkpoints/*"))


def test_work_directory_of_another_config(config, trained):
    config.learning_rate = 1e-3
    with pytest.raises(
        InputError, match=r"learning_rate is 0.0002, this run has 0.001"
    ):
        train_and_evaluate(config, trained)


def test_control_fields_may_change(config, trained):
    config.log_steps = 7
    assert train_and_evaluate(config, trained)["step"] == 4


def test_work_directory_in_use(config, tmp_path):
    with (
        locked(tmp_path / ".lock", wait=False),
        pytest.raises(InputError, match="another run is using it"),
    ):
        train_and_evaluate(config, tmp_path)


def test_batch_not_divisible_by_devices(config, tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 3)
    with pytest.raises(InputError, match="batch_size 4 is not divisible by 3 devices"):
        train_and_evaluate(config, tmp_path)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--config=configs/none.py"], "No such file"),
        (
            [f"--config={CONFIG}", "--config.nope=1"],
            "method .cg_samr. has no field nope",
        ),
        ([f"--config={CONFIG}", "--config.batch_size=x"], "invalid literal"),
        (["--config=configs/paired.py:huge"], "expected one of paper, demo"),
        ([], "--config"),
    ],
)
def test_wrong_commands_are_one_line(arguments, message):
    assert message in launch("main", *arguments).error
