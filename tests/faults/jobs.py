"""Faults of work other than training: the atlas of a preparation, and packing."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.dataset import open_dataset
from tests.faults.bench import Bench, Failure
from tests.faults.disks import NotAllowed


def template(bench: Bench, rng: np.random.Generator) -> None:
    """Killed while the template is built; the second preparation starts it anew."""
    if importlib.util.find_spec("ants") is None:
        raise NotAllowed("ANTs is not installed")
    from tests.prepare.small_subjects import write_subject

    folder = bench.new_path("template")
    for index in range(3):
        write_subject(folder / "raw", index)
    entry = int(rng.integers(1, 4))
    victim = ("samr_jax.prepare.cohort.template._fit_member", entry)
    _killed(bench, _prepare, folder / "raw", folder / "out", victim=victim)
    if (folder / "out").exists():
        raise Failure("a dataset without its atlas")
    _ends(bench, _prepare, folder / "raw", folder / "out")
    shutil.rmtree(folder / "out.work")
    _ends(bench, _prepare, folder / "raw", folder / "other")
    hashes = {open_dataset(folder / name).content_hash for name in ("out", "other")}
    if len(hashes) != 1:
        raise Failure("another dataset than without the kill")


def packing(bench: Bench, rng: np.random.Generator) -> None:
    """Killed while weights are packed: no package, and the next one is whole."""
    package = bench.new_path("package")
    place = rng.choice(["write_weights", "keep_description", "write_volume", "_check"])
    victim = (f"samr_jax.tables.pack.{place}", 1)
    _killed(bench, _pack, bench.dataset, package, victim=victim)
    if package.exists():
        raise Failure("half a package")
    _ends(bench, _pack, bench.dataset, package)
    from samr_jax.pretrained.load import load_package

    load_package(package)


def _prepare(raw: Path, output: Path) -> None:
    from samr_jax.prepare import pipeline
    from samr_jax.prepare.options import Steps
    from tests.prepare.small_subjects import TARGET

    pipeline.write_page = lambda *_, **__: None  # takes long
    steps = Steps(register="off", align="off", bias="off", tissue="off")
    pipeline.prepare(
        raw, output, steps=steps, atlas="template", target=TARGET, workers=1
    )


def _pack(dataset: Path, package: Path) -> None:
    from samr_jax.tables.pack import pack
    from tests.fuzz.small_run import small_model

    opened = open_dataset(dataset)
    pack(small_model(opened), opened, package, scores={}, table="")


def _killed(bench: Bench, work: Callable, *arguments: Any, victim: tuple) -> None:
    code = bench.call(_with_a_kill, work, arguments, victim)
    if code != -signal.SIGKILL:
        raise Failure(f"not killed in {victim[0]}: exit {code}")


def _ends(bench: Bench, work: Callable, *arguments: Any) -> None:
    if code := bench.call(work, *arguments):
        raise Failure(f"{work.__name__} did not end well: exit {code}")


def _with_a_kill(work: Callable, arguments: tuple, victim: tuple[str, int]) -> None:
    """Works in a process that kills itself when it enters a function once more."""
    path, entry = victim
    place, _, name = path.rpartition(".")
    module, entries = importlib.import_module(place), itertools.count(1)
    original = getattr(module, name)

    def call(*args, **kwargs):
        if next(entries) == entry:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(module, name, call)
    work(*arguments)
