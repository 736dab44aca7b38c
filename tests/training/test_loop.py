"""The loop: what it leaves behind, how it resumes, and how it refuses."""

import json
import math
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runtime.errors import InputError, TrainingError
from samr_jax.runtime.files import locked
from samr_jax.training import data
from samr_jax.training.loop import train_and_evaluate
from tests.commands import launch
from tests.faults.bench import check_same_state, final_state
from tests.tiny import tiny_config

CONFIG = "tests/configs/tiny.py"


def logged_steps(workdir):
    path = workdir / "metrics.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line]


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
def test_the_command_resumes_bit_for_bit(dataset, trained, tmp_path):
    """Asked to stop at step 2 of 4; against the run that nobody disturbed.

    So the same seed also gives the same bits and scores in another process. A loop
    takes Ctrl-C for the same request (`tests.runtime.test_interruption`), and runs that
    are killed are in `tests.faults`.
    """
    workdir = tmp_path / "run"
    flags = [
        f"--config={CONFIG}",
        f"--workdir={workdir}",
        f"--config.data.dir={dataset.directory}",
        "--config.sample_epochs=100",
    ]
    interrupted = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults.interrupted", "2", "SIGTERM"),
            *("launch/main.py", *flags),
        ],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert interrupted.returncode == 0, interrupted.stderr
    found = Checkpoints(workdir / "checkpoints", read_only=True)
    assert max(found.steps()) == 2
    found.close()
    assert "asked to stop: saved step 2" in interrupted.stderr
    assert "Traceback" not in interrupted.stderr
    done = launch("main", *flags)
    assert done.returncode == 0, done.stderr
    check_same_state(final_state(workdir), final_state(trained))
    ours, theirs = logged_steps(workdir), logged_steps(trained)
    assert {e["step"]: e for e in ours} == {e["step"]: e for e in theirs}
    for name in ("metrics.json", "table.md"):
        assert (workdir / name).read_text() == (trained / name).read_text(), name


def test_divergence_stops_with_the_terms_name(dataset, tmp_path):
    config = tiny_config(dataset, "pix2pix")
    config.learning_rate = 1e30
    with pytest.raises(TrainingError, match=r"step 2: (gen|disc)/\w+ is (nan|inf)"):
        train_and_evaluate(config, tmp_path)
    saved = Checkpoints(tmp_path / "checkpoints", read_only=True)
    assert saved.steps() == [1]
    state, _ = saved.read(1)
    saved.close()
    assert np.isfinite(state["gen"]["opt_state"][0]["mu"]).all()


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


@pytest.mark.parametrize(
    "change, message",
    [
        ({"data.size": 30}, "config.data.size: slices of 30 x 30, expected a multiple"),
        ({"learning_rate": 1e-3}, "learning_rate is 0.0002, this run has 0.001"),
    ],
)
def test_mistakes_are_told_before_the_data_are_drawn(
    config, trained, tmp_path, monkeypatch, change, message
):
    """Drawing the embedded dataset takes minutes."""
    monkeypatch.setenv("SAMR_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "open_dataset", lambda _: pytest.fail("was opened"))
    config.update_from_flattened_dict(change)
    workdir = trained
    if "data.size" in change:
        config.data.dir, workdir = "", tmp_path / "new"
    with pytest.raises(InputError, match=message):
        train_and_evaluate(config, workdir)
    assert not (tmp_path / "cache").exists()


def test_control_fields_may_change(config, trained):
    config.log_steps, config.memory_gib = 7, 100.0
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
        (["--config=configs/none.py"], "no such file"),
        (
            [f"--config={CONFIG}", "--config.nope=1"],
            "method 'cg_samr' has no field nope",
        ),
        ([f"--config={CONFIG}", "--config.batch_size=x"], "invalid literal"),
        (["--config=configs/paired.py:huge"], "expected one of paper, demo"),
        ([], "--config"),
    ],
)
def test_wrong_commands_are_one_line(arguments, message):
    assert message in launch("main", *arguments).error
