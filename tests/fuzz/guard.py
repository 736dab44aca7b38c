"""Runs mutants in a process of its own, and says how each one went."""

from __future__ import annotations

import collections
import dataclasses
import multiprocessing
import os
import resource
import shutil
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from samr_jax.runtime.errors import InputError

SECONDS = 10.0
"""A mutant that takes longer is a hang."""

MEMORY = 2 * 2**30
"""Bytes that a mutant may make a process grow by."""


IMPORTED = [
    "samr_jax.training.loop",
    "samr_jax.tables.make",
    "samr_jax.prepare.pipeline",
    "samr_jax.inference.synthesizer",
    "tests.fuzz.targets",
    "tests.tiny",
]
"""Modules that are imported once for all processes."""


class Mutant(NamedTuple):
    """A broken file.

    Attributes:
      place: its path in the folder ``input``.
      content: its bytes.
    """

    place: str
    content: bytes


class Target(Protocol):
    """Something that reads files. It is made in the process that reads."""

    def __init__(self, folder: Path):
        """Writes good files into ``input``; `folder` has ``output``, too."""

    def mutant(self, rng: np.random.Generator) -> Mutant:
        """A broken version of one of the good files."""

    def read(self) -> None:
        """Uses the files as the package does; an `AssertionError` is a wrong result."""


@dataclasses.dataclass
class Report:
    """How the mutants went.

    Attributes:
      refused: how many gave an `InputError` of one line.
      accepted: how many gave a valid result.
      failures: number of the mutant -> what was wrong.
      mutants: the mutants that failed, by their numbers.
    """

    refused: int = 0
    accepted: int = 0
    failures: dict[int, str] = dataclasses.field(default_factory=dict)
    mutants: dict[int, Mutant] = dataclasses.field(default_factory=dict)

    @property
    def count(self) -> int:
        return self.refused + self.accepted + len(self.failures)


def run(
    target: type,
    folder: Path,
    *,
    count: int,
    seed: int,
    seconds: float = SECONDS,
    known: Sequence[Mutant] = (),
) -> Report:
    """Tries mutants; a process that dies or hangs is replaced.

    Args:
      target: a `Target`.
      folder: an empty one.
      count: number of new mutants.
      seed: of the new mutants.
      seconds: a mutant that takes longer is a hang.
      known: mutants that are tried first.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    report, begin, end = Report(), 0, len(known) + count
    while begin < end:
        ours, theirs = context.Pipe(duplex=False)
        place = folder / f"from-{begin}"
        process = context.Process(
            target=_work, args=(target, place, seed, range(begin, end), known, theirs)
        )
        process.start()
        theirs.close()
        before = begin
        begin = _listen(ours, process, report, range(begin, end), seconds)
        process.join()
        for number in range(before, begin):
            if number in report.failures:
                report.mutants[number] = _taken_up(place, number)
    return report


def _listen(pipe, process, report: Report, numbers: range, seconds: float) -> int:
    """Notes outcomes until the process ends; returns the next mutant to try."""
    pipe.poll(300)  # imports and the good files
    at = numbers.start
    try:
        while at < numbers.stop:
            outcome = pipe.recv() if pipe.poll(seconds) else None
            if outcome is None:
                process.kill()
                report.failures[at] = f"took more than {seconds:g} s"
                return at + 1
            if outcome == "refused":
                report.refused += 1
            elif outcome == "accepted":
                report.accepted += 1
            elif outcome.startswith("the good files: "):
                raise RuntimeError(outcome)
            elif outcome != "ready":
                report.failures[at] = outcome
            at += outcome != "ready"
        return at
    except EOFError:
        process.join()
        report.failures[at] = f"the process died: exit code {process.exitcode}"
        return at + 1


def _work(
    target: type,
    folder: Path,
    seed: int,
    numbers: range,
    known: Sequence[Mutant],
    pipe,
) -> None:
    for name in ("input", "output", "outside", "here", "failed"):
        (folder / name).mkdir(parents=True)
    os.chdir(folder / "here")
    _silence(folder.parent / f"{folder.name}.log")
    subject = target(folder)
    outcome = _judge(subject, folder)  # the good files: loads what reading needs
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    pipe.send("ready" if outcome == "accepted" else f"the good files: {outcome}")
    for number in numbers:
        if number < len(known):
            mutant = known[number]
        else:
            mutant = subject.mutant(np.random.default_rng((seed, number - len(known))))
        pipe.send(_try(subject, mutant, folder, number))


def _try(target: Target, mutant: Mutant, folder: Path, number: int) -> str:
    """Puts the mutant in its place, uses it, and puts the good file back."""
    path = folder / "input" / mutant.place
    good = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mutant.content)
    kept = folder / "failed" / str(number)
    kept.write_text(mutant.place)
    outcome = _judge(target, folder)
    if outcome in ("refused", "accepted"):
        kept.unlink()
    else:
        kept.with_suffix(".content").write_bytes(mutant.content)
    path.unlink()
    if good is not None:
        path.write_bytes(good)
    return outcome


def _taken_up(folder: Path, number: int) -> Mutant:
    """A mutant that failed, as the process left it, which may have died of it."""
    place = (folder / "failed" / str(number)).read_text()
    content = folder / "failed" / f"{number}.content"
    path = content if content.exists() else folder / "input" / place
    return Mutant(place, path.read_bytes())


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
        for path in (folder / name for name in ("outside", "here")):
            shutil.rmtree(path)
            path.mkdir()
        os.chdir(folder / "here")
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
