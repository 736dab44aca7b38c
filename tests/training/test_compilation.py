"""A step that does not fit into memory is refused, and nothing is left of it."""

import json

import pytest

from samr_jax.config import default
from samr_jax.runtime import parallel
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.memory import Limit
from samr_jax.training import compilation
from samr_jax.training.compilation import COUNTED, check_fits
from samr_jax.training.loop import train
from tests.commands import launch
from tests.tiny import NETWORKS, tiny_config


def files(workdir):
    """Names of the files in a work directory, without the lock's."""
    return {path.name for path in workdir.rglob("*") if path.is_file()} - {".lock"}


def test_a_refused_batch_leaves_nothing_and_a_smaller_one_starts(
    dataset, tmp_path, monkeypatch
):
    flags = [
        "--config=pix2pix:demo",
        f"--workdir={tmp_path / 'run'}",
        f"--config.data.dir={dataset.directory}",
        "--config.steps=1",
        *(f"--config.model.{n}={NETWORKS[n]}" for n in ("ngf", "ndf", "disc_layers")),
        "--config.memory_gib=0.0015",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(
            parallel, "compile_step", lambda *_: pytest.fail("has been compiled")
        )
        refused = launch("main", *flags, "--config.batch_size=12").error
    for part in (
        "config.batch_size is 12: a training step needs at least 0.",
        " GiB of memory by an estimate, and 0.00 GiB are allowed by config.memory_gib; "
        "expected a smaller batch, ",
    ):
        assert part in refused
    assert not files(tmp_path / "run")
    done = launch("main", *flags, "--config.batch_size=2")
    assert done.returncode == 0, done.stderr
    stored = json.loads((tmp_path / "run" / "config.json").read_text())
    assert stored["config"]["batch_size"] == 2
    assert "a step takes at most 0.00 GiB of a device's memory: " in done.stderr


def test_xlas_count_is_checked_before_the_first_step(dataset, tmp_path, monkeypatch):
    config = tiny_config(dataset, "pix2pix")
    config.memory_gib = 2.0
    monkeypatch.setattr(
        parallel, "compile_step", lambda *_: (lambda *_: pytest.fail("ran"), 2.01)
    )
    with pytest.raises(InputError, match=r"needs 2\.01 GiB of memory by XLA's count"):
        train(config, tmp_path / "run")
    assert not files(tmp_path / "run")


@pytest.mark.parametrize(
    "method, fields, expected",
    [
        (
            "cg_samr",
            {},
            "a smaller batch, a larger config.accumulation, "
            "config.model.rematerialise=True, or another limit",
        ),
        (
            "cg_samr",
            {"model.rematerialise": True, "accumulation": 8},
            "expected a smaller batch, or another limit",
        ),
        ("pix2pix", {"batch_size": 1}, "expected smaller networks, or another limit"),
    ],
)
def test_a_refusal_says_what_can_be_changed(method, fields, expected):
    config = default(method)
    config.update_from_flattened_dict(fields)
    limit = Limit(2**30, "free on this machine")
    check_fits(2**30, COUNTED, limit, config)
    with pytest.raises(InputError) as caught:
        check_fits(2**30 + 1, COUNTED, limit, config)
    assert expected in str(caught.value)
    assert "1.00 GiB are free on this machine" in str(caught.value)


def test_the_limit_is_the_users_or_the_devices(monkeypatch):
    monkeypatch.setattr(parallel, "memory_left", lambda: Limit(6.0, "left in a group"))
    assert compilation._limit(1.5) == (1.5 * 2**30, "allowed by config.memory_gib")
    assert compilation._limit(0.0) == (6.0, "left in a group")
    monkeypatch.setattr(parallel.jax, "local_devices", lambda: [None] * 3)
    assert parallel.device_memory() == (2.0, "left in a group for each of 3 devices")


def test_the_limit_of_devices_with_memory_of_their_own(monkeypatch):
    class Device:
        def __init__(self, stats):
            self.memory_stats = lambda: stats

    devices = [Device({"bytes_limit": 7}), Device({"bytes_limit": 5}), Device(None)]
    monkeypatch.setattr(parallel.jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(parallel.jax, "local_devices", lambda: devices)
    assert parallel.device_memory() == (5.0, "available on a device")
    monkeypatch.setattr(parallel.jax, "local_devices", lambda: devices[2:])
    assert parallel.device_memory().bytes == float("inf")
