"""Runs mutants in a process of its own, and says how each one went."""

from __future__ import annotations

import collections
import dataclasses
import multiprocessing
import os
import resource
import traceback
from pathlib import Path
from typing import Protocol

import numpy as np

from samr_jax.runtime.errors import InputError

SECONDS = 10
"""A mutant that takes longer is a hang."""

MEMORY = 2 * 2**30
"""Bytes that a mutant may make a process grow by."""


class Target(Protocol):
    """Something that reads files. It is made in the process that reads."""

    def __init__(self, folder: Path):
        """Prepares good files; `folder` has ``input`` and ``output``."""

    def write(self, rng: np.random.Generator) -> None:
        """Writes a mutant into ``input``."""

    def read(self) -> None:
        """Uses it as the package does; an `AssertionError` is a wrong result."""


@dataclasses.dataclass
class Report:
    """How the mutants went.

    Attributes:
      refused: how many gave an `InputError` of one line.
      accepted: how many gave a valid result.
      failures: number of the mutant -> what was wrong.
    """

    refused: int = 0
    accepted: int = 0
    failures: dict[int, str] = dataclasses.field(default_factory=dict)

    @property
    def count(self) -> int:
        return self.refused + self.accepted + len(self.failures)


def run(target: type, folder: Path, *, count: int, seed: int) -> Report:
    """Tries `count` mutants; a process that dies or hangs is replaced."""
    context = multiprocessing.get_context("spawn")
    report, begin = Report(), 0
    while begin < count:
        ours, theirs = context.Pipe(duplex=False)
        place = folder / f"from-{begin}"
        process = context.Process(
            target=_work, args=(target, place, seed, range(begin, count), theirs)
        )
        process.start()
        theirs.close()
        begin = _listen(ours, process, report, begin)
        process.join()
    return report


def _listen(pipe, process, report: Report, begin: int) -> int:
    """Notes outcomes until the process ends; returns the next mutant to try."""
    pipe.poll(300)  # imports and the good files
    at = begin
    try:
        while True:
            outcome = pipe.recv() if pipe.poll(SECONDS) else None
            if outcome is None:
                process.kill()
                report.failures[at] = f"took more than {SECONDS} s"
                return at + 1
            if outcome == "refused":
                report.refused += 1
            elif outcome == "accepted":
                report.accepted += 1
            elif outcome != "ready":
                report.failures[at] = outcome
            at += outcome != "ready"
    except EOFError:
        process.join()
        if process.exitcode == 0:
            return at
        report.failures[at] = f"the process died: exit code {process.exitcode}"
        return at + 1


def _work(target: type, folder: Path, seed: int, numbers: range, pipe) -> None:
    for name in ("input", "output", "outside", "here"):
        (folder / name).mkdir(parents=True)
    os.chdir(folder / "here")
    _silence(folder.parent / f"{folder.name}.log")
    subject = target(folder)
    _judge(subject, folder)  # the good files: loads what reading needs
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    pipe.send("ready")
    for number in numbers:
        subject.write(np.random.default_rng((seed, number)))
        pipe.send(_judge(subject, folder))


def _judge(target: Target, folder: Path) -> str:
    before = _files(folder)
    try:
        target.read()
        outcome = "accepted"
    except InputError as error:
        line = str(error)
        outcome = "refused"
        if len(line.splitlines()) != 1 or len(line) > 1500:
            outcome = f"not one line: {line[:300]!r}"
        elif "MemoryError" in line or "bad_alloc" in line:
            outcome = f"needs too much memory: {line[:300]}"
    except Exception as error:
        places = traceback.extract_tb(error.__traceback__)
        ours = [f"{Path(p.filename).name}:{p.lineno}" for p in places][-6:]
        outcome = f"{type(error).__name__}: {str(error)[:200]!r} at {' '.join(ours)}"
    new = _files(folder) - before
    if new:
        outcome = f"wrote outside the output directory: {sorted(new)[0]}"
    return outcome


def _files(folder: Path) -> set[str]:
    """Everything in the sandbox but what may be written."""
    return {
        os.path.join(where, name)
        for top in ("input", "outside", "here")
        for where, folders, names in os.walk(folder / top)
        for name in (*folders, *names)
    } | {entry.name for entry in os.scandir(folder.parent) if entry.is_dir()}


def _silence(log: Path) -> None:
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def kinds(report: Report) -> list[str]:
    """Failures that look alike counted together, the most frequent first."""
    counts = collections.Counter(
        text.split("'")[0] for text in report.failures.values()
    )
    firsts = {}
    for number, text in report.failures.items():
        firsts.setdefault(text.split("'")[0], (number, text))
    return [
        f"{count} x, first is mutant {firsts[key][0]}: {firsts[key][1]}"
        for key, count in counts.most_common()
    ]
