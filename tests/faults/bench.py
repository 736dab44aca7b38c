"""Starts runs, and holds what they leave against a run that nobody disturbed."""

from __future__ import annotations

import dataclasses
import functools
import json
import multiprocessing
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runtime.files import locked
from tests.faults.child import Child, run
from tests.tiny import tiny_dataset

TIME_LIMIT = 240
"""Seconds after which a run counts as hanging."""


class Failure(AssertionError):
    """A fault that a run did not survive."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative: a signal) and standard error."""

    code: int
    output: str

    @property
    def errors(self) -> list[str]:
        """The lines that a user is meant to see."""
        return [line for line in self.output.splitlines() if line.startswith("error: ")]

    @property
    def tail(self) -> str:
        """The end of it, for a message."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-400:]


class Bench:
    """A folder with a dataset, an undisturbed run, and room for others.

    Several processes may share the folder: the first one makes the dataset and the
    undisturbed run, and every other run has a directory of its own.
    """

    def __init__(self, root: Path):
        self.root = root
        self._count = 0
        # Children share the time to import; each has a backend of its own.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            [
                "samr_jax.training.loop",
                "samr_jax.runtime.launching",
                "samr_jax.data.tfds_builder",
                "tests.tiny",
            ]
        )
        os.environ.setdefault("SAMR_JAX_CACHE", str(root / "cache"))
        self.dataset = root / "dataset"
        self.straight = root / "undisturbed"
        with locked(root / "lock", wait=True):
            if not self.dataset.exists():
                # With one sequence, networks compile sooner.
                tiny_dataset(self.dataset, sequences=("T1w",))
            if not (self.straight / "metrics.json").exists():
                self.finish(self.straight)

    def new_path(self, name: str) -> Path:
        """A path that does not exist yet, for a work directory or what a run says."""
        self._count += 1
        return self.root / f"{os.getpid()}-{self._count:03d}-{name}"

    def start(self, workdir: Path, **trouble) -> tuple:
        """Starts a run; see `Child` for the trouble. Give the result to `wait`."""
        output = self.new_path("log")
        child = Child(workdir, self.dataset, output, **trouble)
        process = self._context.Process(target=run, args=(child,))
        process.start()
        return process, output

    def wait(self, started: tuple, *, limit: float = TIME_LIMIT) -> Ended:
        """Waits for the end; hanging is a failure."""
        process, output = started
        process.join(limit)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise Failure(f"hung for {limit:.0f} s")
        return Ended(process.exitcode, output.read_text())

    def run(self, workdir: Path, **trouble) -> Ended:
        """Starts a run and waits for its end."""
        return self.wait(self.start(workdir, **trouble))

    def finish(self, workdir: Path, **trouble) -> Ended:
        """Runs what must come to its end."""
        ended = self.run(workdir, **trouble)
        if ended.code != 0:
            raise Failure(f"did not resume: exit {ended.code}: {ended.tail}")
        return ended

    def call(self, function: Callable, *arguments: Any) -> int:
        """Calls a function in a process of its own; returns how the process ended."""
        process = self._context.Process(target=function, args=arguments)
        process.start()
        process.join(TIME_LIMIT)
        if process.exitcode is None:
            process.kill()
            raise Failure(f"{function.__name__} hung for {TIME_LIMIT} s")
        return process.exitcode

    def start_pair(self, workdir: Path, *, moment=None, victim: int = 1) -> list[tuple]:
        """Starts a run of two processes; the moment is the victim's."""
        address = f"localhost:{free_port()}"
        return [
            self.start(
                workdir,
                moment=moment if index == victim else None,
                environment={
                    "JAX_COORDINATOR_ADDRESS": address,
                    "JAX_NUM_PROCESSES": "2",
                    "JAX_PROCESS_ID": str(index),
                },
            )
            for index in range(2)
        ]

    def finish_pair(self, workdir: Path) -> list[Ended]:
        """Runs two processes, which must come to their end."""
        both = [self.wait(started) for started in self.start_pair(workdir)]
        for ended in both:
            if ended.code != 0:
                raise Failure(f"did not resume: exit {ended.code}: {ended.tail}")
        return both

    @functools.cached_property
    def straight_pair(self) -> Path:
        """An undisturbed run of two processes."""
        workdir = self.new_path("undisturbed-pair")
        self.finish_pair(workdir)
        return workdir

    def check_like_undisturbed(self, workdir: Path, other: Path | None = None) -> None:
        """State, log and result must equal the undisturbed run's bit for bit."""
        other = other or self.straight
        check_same_state(final_state(workdir), final_state(other))
        for read in (log_lines, result):
            if read(workdir) != read(other):
                raise Failure(f"{read.__name__} differ from the undisturbed run's")


def check_one_line(ended: Ended, pattern: str) -> None:
    """The run has stopped with one clear line that matches `pattern`."""
    if ended.code != 1 or len(ended.errors) != 1:
        raise Failure(f"exit {ended.code}, expected one line: {ended.tail}")
    if "Traceback" in ended.output or not re.search(pattern, ended.errors[0]):
        raise Failure(f"not a clear line with {pattern!r}: {ended.tail}")


def check_same_state(found: dict, expected: dict) -> None:
    """Two checkpoints hold the same bits."""
    if jax.tree.structure(found) != jax.tree.structure(expected):
        raise Failure("the state has another structure")
    leaves = map(jax.tree_util.tree_leaves_with_path, (found, expected))
    for (path, ours), (_, theirs) in zip(*leaves, strict=True):
        if ours.dtype != theirs.dtype or not np.array_equal(ours, theirs):
            raise Failure(f"{jax.tree_util.keystr(path)} differs at the last step")


def final_state(workdir: Path) -> dict:
    """The state of the newest checkpoint."""
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    state, _ = checkpoints.read()
    checkpoints.close()
    return state


def newest(workdir: Path) -> Path:
    """The folder of the newest checkpoint."""
    steps = [p for p in (workdir / "checkpoints").iterdir() if p.name.isdigit()]
    return max(steps, key=lambda path: int(path.name))


def log_lines(workdir: Path) -> list[dict]:
    """The run's log."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def result(workdir: Path) -> dict:
    """The evaluation."""
    return json.loads((workdir / "metrics.json").read_text())


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]
