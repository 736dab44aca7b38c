"""Faults of the machine around a training: pauses, slow disks, little memory, clocks.

Args of all: `bench` to run on, and `rng` to choose by. They raise `Failure` where a
fault was not survived.
"""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from tests.faults.bench import Bench, Failure, check_one_line
from tests.faults.child import Moment
from tests.faults.disks import NotAllowed

ANOTHER_USER = 12345


def interrupted_start(bench: Bench, rng: np.random.Generator) -> None:
    """Ctrl-C or SIGTERM before the first step: one line, and nothing is broken."""
    workdir = bench.new_path("interrupted-start")
    number = signal.Signals(int(rng.choice([signal.SIGINT, signal.SIGTERM])))
    moment = Moment("start", 1, float(rng.uniform(0.5, 2)), number)
    ended = bench.run(workdir, moment=moment)
    stopped = ended.code == 128 + number
    if stopped and ended.errors != [f"error: stopped by {number.name}"]:
        raise Failure(f"{number.name}: not one line: {ended.tail}")
    # The loop may have begun, or a library may have swallowed the exception.
    saved = ended.code == 0 and "asked to stop: saved step" in ended.output
    if not (stopped or saved) or "Traceback" in ended.output:
        raise Failure(f"{number.name}: exit {ended.code}: {ended.tail}")
    bench.finish(workdir)
    bench.check_like_undisturbed(workdir)


def paused(bench: Bench, rng: np.random.Generator) -> None:
    """The process is stopped for seconds, as by a laptop's lid, and then goes on."""
    workdir = bench.new_path("paused")
    started = bench.start(workdir)
    process, _ = started
    while process.is_alive() and not (workdir / "metrics.jsonl").exists():
        process.join(0.1)
    process.join(float(rng.uniform(0, 1)))
    if not process.is_alive():
        raise Failure("ended before the pause")
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(float(rng.uniform(3, 8)))
    os.kill(process.pid, signal.SIGCONT)
    ended = bench.wait(started)
    if ended.code:
        raise Failure(f"exit {ended.code}: {ended.tail}")
    bench.check_like_undisturbed(workdir)


def slow_disk(bench: Bench, rng: np.random.Generator) -> None:
    """Files are renamed and flushed late; the run is killed during a save."""
    workdir = bench.new_path("slow-disk")
    moment = Moment("save", int(rng.integers(1, 4)), float(rng.uniform(0, 1)))
    ended = bench.run(workdir, slow_disk=True, moment=moment)
    if ended.code != -signal.SIGKILL:
        raise Failure(f"not killed: exit {ended.code}: {ended.tail}")
    bench.finish(workdir, slow_disk=True)
    bench.check_like_undisturbed(workdir)


def clock_backwards(bench: Bench, rng: np.random.Generator) -> None:
    """The wall clock runs backwards, also across a kill."""
    workdir = bench.new_path("backwards")
    moment = Moment("save", int(rng.integers(1, 4)), float(rng.uniform(0, 0.4)))
    ended = bench.run(workdir, clock="backwards", moment=moment)
    if ended.code != -signal.SIGKILL:
        raise Failure(f"not killed: exit {ended.code}: {ended.tail}")
    bench.finish(workdir, clock="backwards")
    bench.check_like_undisturbed(workdir)


def out_of_memory(bench: Bench, rng: np.random.Generator) -> None:
    """From some step on the process gets next to no memory; later there is enough.

    A library may end the process where an allocation fails. Nothing but the resumption
    counts then. An end in order is one line.
    """
    workdir = bench.new_path("memory")
    megabytes = int(rng.integers(0, 24))
    step = int(rng.integers(2, 9))
    ended = bench.run(workdir, memory_limit=(step, megabytes * 2**20))
    if ended.code == 1:
        check_one_line(ended, "memory|cannot be written")
    elif ended.code > 0:
        raise Failure(f"exit {ended.code}: {ended.tail}")
    bench.finish(workdir)
    bench.check_like_undisturbed(workdir)


def foreign_cache(bench: Bench, rng: np.random.Generator) -> None:
    """The cache directory is another user's: no program of it is run, none is added."""
    if os.getuid():
        raise NotAllowed("only the superuser may give a folder away")
    cache, workdir = bench.new_path("cache"), bench.new_path("foreign-cache")
    compiled = cache / "compiled"
    compiled.mkdir(parents=True)
    for folder in (cache, compiled):
        os.chown(folder, ANOTHER_USER, ANOTHER_USER)
    bench.finish(workdir, environment={"SAMR_JAX_CACHE": str(cache)})
    if found := list(compiled.iterdir()):
        raise Failure(f"{found[0].name} was written into another user's cache")
    bench.check_like_undisturbed(workdir)
