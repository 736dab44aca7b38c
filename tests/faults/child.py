"""A training run in a process of its own, with trouble planted in it."""

from __future__ import annotations

import dataclasses
import itertools
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PHASES = ("start", "step", "save", "validation", "report")
"""What a run is busy with: setting up, a training step, writing a checkpoint,
evaluation between steps, and the final one."""


@dataclasses.dataclass(frozen=True)
class Moment:
    """A signal that the run sends itself.

    Attributes:
      phase: one of `PHASES`.
      entry: how many times the run enters the phase first.
      delay: seconds after that; a save goes on in the background meanwhile. Without a
        delay the signal arrives before the run does anything else.
      signal: its number.
    """

    phase: str
    entry: int
    delay: float
    signal: int = signal.SIGKILL


@dataclasses.dataclass(frozen=True)
class Child:
    """What a process is to run.

    Attributes:
      workdir: of the run.
      dataset: its directory.
      output: gets standard error.
      moment: when it is interrupted.
      file_limit: bytes that a file may grow to; 0 for no limit.
      clock: the wall clock: 'right', 'jumps' by up to a year at every look, or runs
        'backwards'.
      slow_disk: whether files are renamed and flushed late.
      memory_limit: a step, and the bytes by which memory may grow after it.
      environment: changes to the environment.
    """

    workdir: Path
    dataset: Path
    output: Path
    moment: Moment | None = None
    file_limit: int = 0
    clock: str = "right"
    slow_disk: bool = False
    memory_limit: tuple[int, int] | None = None
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


def run(child: Child) -> None:
    """Trains as ``launch/main.py`` would."""
    with child.output.open("w") as output:
        os.dup2(output.fileno(), sys.stderr.fileno())
        os.dup2(output.fileno(), sys.stdout.fileno())
    os.environ |= child.environment
    if child.file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (child.file_limit,) * 2)
    if child.clock != "right":
        _change_the_clock(child.clock)
    if child.slow_disk:
        _slow_down_the_disk()
    if child.memory_limit is not None:
        _limit_memory(*child.memory_limit)
    if child.moment is not None:
        plant(child.moment)
    sys.argv = ["faults"]
    from samr_jax.runtime import launching

    launching.run(lambda: _train(child))


def _train(child: Child) -> None:
    from samr_jax.training import loop as train

    train.train_and_evaluate(small_config(child.dataset), child.workdir)


def small_config(dataset: Path):
    """Twelve steps with evaluations and checkpoints, of networks that compile fast."""
    from samr_jax.config import default
    from tests.tiny import shrink

    config = shrink(default())
    config.data.dir = str(dataset)
    config.epochs = 6
    config.model.downsamplings = 1
    config.model.blocks = 1
    config.ablation.labelwise = False
    config.ablation.shape_consistency = False
    config.sample_epochs = 1e6
    config.eval_epochs = 2.0
    config.checkpoint_epochs = 1.0
    return config


def plant(moment: Moment) -> None:
    """Makes this process send itself the moment's signal when it comes to it."""
    from samr_jax.runs.checkpoint import Checkpoints
    from samr_jax.training import loop as train
    from samr_jax.training.divergence import Watch

    entries = itertools.count(1)

    def arm() -> None:
        if next(entries) != moment.entry:
            return
        if moment.delay:
            timer = threading.Timer(moment.delay, os.kill, (os.getpid(), moment.signal))
            timer.daemon = True
            timer.start()
        else:
            os.kill(os.getpid(), moment.signal)

    def armed(function: Callable) -> Callable:
        def call(*args, **kwargs):
            arm()
            return function(*args, **kwargs)

        return call

    if moment.phase == "start":
        arm()
    elif moment.phase == "step":
        # It is called as soon as the step is on its way.
        Watch.note = armed(Watch.note)
    elif moment.phase == "save":
        Checkpoints.save = armed(Checkpoints.save)
    elif moment.phase == "validation":
        train.score = armed(train.score)
    else:
        train.evaluate = armed(train.evaluate)


def _change_the_clock(clock: str) -> None:
    """Wall clock time comes from anywhere in two years, or decreases."""
    real, begin, rng = time.time, time.time(), random.Random(0)
    year = 365 * 24 * 3600.0
    if clock == "jumps":
        time.time = lambda: real() + rng.uniform(-year, year)
    else:
        time.time = lambda: 2 * begin - real()
    time.time_ns = lambda: int(time.time() * 1e9)


def _slow_down_the_disk() -> None:
    """Renaming, flushing and making folders take up to a third of a second."""
    rng = random.Random(0)

    def late(function: Callable) -> Callable:
        def call(*args, **kwargs):
            time.sleep(rng.uniform(0, 0.3))
            return function(*args, **kwargs)

        return call

    for name in ("rename", "replace", "fsync", "mkdir"):
        setattr(os, name, late(getattr(os, name)))


def _limit_memory(step: int, growth: int) -> None:
    """After a step the process may grow by a few bytes alone."""
    from samr_jax.training.divergence import Watch

    note, notes = Watch.note, itertools.count(1)

    def limited(*args, **kwargs):
        if next(notes) == step:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + growth
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return note(*args, **kwargs)

    Watch.note = limited
