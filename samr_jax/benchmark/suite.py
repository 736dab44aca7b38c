"""A list of measurements, written into one JSON file as they are done.

Each measurement is a process of its own. Its peak of memory is thus its own, and one
that runs out of memory does not end the others. A second call measures what is missing.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import write_json
from samr_jax.runtime.records import LARGEST, each, fields, read_record, value

OURS = [sys.executable, "-c", "from samr_jax.commands import main; main()", "benchmark"]
"""The command ``samr-jax benchmark``."""

SHORTEST = 20.0
"""Seconds that must be left for a measurement to be started."""


_POSITIVE = value(
    "a number above 0", lambda x: type(x) in (int, float) and 0 < x < LARGEST
)
_MEASURED = fields({}, optional={"train_step_s": _POSITIVE, "synthesis_s": _POSITIVE})
_COUNTED = fields({"batch": _POSITIVE, "train_gflop": _POSITIVE})
_TIMED = fields(
    {
        "batch": _POSITIVE,
        "synthesis_s": _POSITIVE,
        "train_compile_s": fields({"cold": _POSITIVE}),
        "peak_gib": _POSITIVE,
        "machine": fields({"matrix_gflops": _POSITIVE}),
    }
)


@dataclasses.dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
      config: of the method and its networks, such as ``paired``.
      batch: slices of a batch.
      dtype: dtype of activations, or ``count`` for XLA's count of the work.
      size: rows and columns of a slice; by default the suite's.
    """

    config: str
    batch: int
    dtype: str
    size: int | None = None

    @property
    def name(self) -> str:
        parts = (self.config, self.size, self.batch, self.dtype)
        return "-".join(str(part) for part in parts if part)

    def flags(self, *, size: int, steps: int) -> list[str]:
        """The flags of ``samr-jax benchmark``."""
        flags = [f"--config={self.config}", *self._shape(size)]
        if self.dtype == "count":
            return [*flags, "--count"]
        return [*flags, f"--steps={steps}", f"--dtype={self.dtype}"]

    def peer_flags(self, *, size: int, steps: int) -> list[str]:
        """The flags of another implementation of the paper's CG-SAMR."""
        flags = [*self._shape(size), f"--steps={steps}"]
        return [*flags, "--amp", "--compile"] if self.dtype == "bfloat16" else flags

    def _shape(self, size: int) -> list[str]:
        return [f"--size={self.size or size}", f"--batch={self.batch}"]


GPU = (
    Case("paired", 8, "count"),
    Case("paired", 8, "float32"),
    Case("paired", 8, "bfloat16"),
    Case("paired", 32, "float32"),
    Case("paired", 32, "bfloat16"),
    Case("unpaired", 8, "count"),
    Case("unpaired", 8, "float32"),
    Case("unpaired", 8, "bfloat16"),
)
"""The measurements that are worth the time on a GPU."""

CPU = (
    Case("paired", 8, "float32", size=64),
    Case("paired", 4, "float32", size=128),
    Case("paired", 2, "float32", size=256),
)
"""The paper's networks in batches that take seconds a step on CPUs."""

SUITES: Mapping[str, tuple[Case, ...]] = {"gpu": GPU, "cpu": CPU}

Run = Callable[[Sequence[str], float], dict]
"""Runs a command for at most so many seconds; returns the JSON of its last line."""


def run_suite(
    cases: Sequence[Case],
    output: Path,
    *,
    size: int,
    steps: int,
    seconds: float,
    peer: str = "",
    run: Run | None = None,
    log: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measures the cases that `output` does not have yet.

    Args:
      cases: the measurements.
      output: JSON file, which is written after each measurement.
      size: rows and columns of a slice, for a case without a size of its own.
      steps: timed calls of each.
      seconds: time for all of them. What is not done then is left for another call.
      peer: command of another implementation of CG-SAMR, which takes the flags of
        `Case.peer_flags` and prints JSON with the same keys. It runs after each paired
        case, on the same machine.
      run: starts a command; by default a process.
      log: receives a line for each measurement.

    Returns:
      What the file holds: name of a case -> its result, and ``peer: <name>`` -> the
      other implementation's. A result with ``error`` is measured again.

    Raises:
      InputError: the file holds measurements of another size, or damaged ones.
    """
    run = run or run_command
    end = time.monotonic() + seconds
    results = read_suite(output) if output.exists() else {}
    commands = _commands(cases, size=size, steps=steps, peer=peer)
    for name, (command, expected) in commands.items():
        found = results.get(name, {})
        if found.get("size", expected) != expected:
            raise InputError(
                f"{output}: {name} was measured at size {found['size']}, expected "
                f"{expected} or another file"
            )
        if found and "error" not in found:
            continue
        left = end - time.monotonic()
        if left < SHORTEST:
            log(f"{name}: left for the next call")
            continue
        results[name] = run(command, left)
        write_json(output, results)
        log(f"{name}: {_line(results[name])}")
    return results


def read_suite(path: Path) -> dict[str, Any]:
    """The measurements of a file that `run_suite` has written.

    Raises:
      InputError: the file cannot be read, or is damaged.
    """
    return read_record(path, each(_result))


def _result(place: str, found: Any) -> None:
    """A check of one measurement, for what `suite_table` prints of it."""
    _MEASURED(place, found)
    if "train_gflop" in found:
        _COUNTED(place, found)
    if "train_step_s" in found and not place.startswith("peer: "):
        _TIMED(place, found)


def _commands(
    cases: Sequence[Case], *, size: int, steps: int, peer: str
) -> dict[str, tuple[list[str], int]]:
    """Name of each measurement -> its command, and rows and columns of its slices."""
    commands = {}
    for case in cases:
        own = case.size or size
        ours = [*OURS, *case.flags(size=size, steps=steps)]
        commands[case.name] = ours, own
        if peer and case.config == "paired" and case.dtype != "count":
            theirs = [*shlex.split(peer), *case.peer_flags(size=size, steps=steps)]
            commands[f"peer: {case.name}"] = theirs, own
    return commands


def run_command(command: Sequence[str], seconds: float) -> dict:
    """The JSON of a command's last line; ``{"error": reason}`` if it has failed."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {seconds:.0f} s"}
    except OSError as error:
        return {"error": f"{command[0]}: {error.strerror}"}
    try:
        if done.returncode == 0:
            return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        pass
    said = [line for line in done.stderr.splitlines() if line.strip()]
    reason = said[-1] if said else "no output"
    return {"error": f"exit {done.returncode}: {reason[:300]}"}


def suite_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The measurements as a Markdown table.

    The share of the machine's rate is the work by XLA's count, before it changes the
    program, over the time and over the measured rate of a matrix product.
    """
    lines = [
        "| case | step, s | synthesis, s | compilation, s | GiB | share of the rate "
        "| step / peer's | synthesis / peer's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        if name.startswith("peer: ") or "train_step_s" not in result:
            continue
        peer = results.get(f"peer: {name}", {})
        cells = (
            f"{result['train_step_s']:.4g}",
            f"{result['synthesis_s']:.4g}",
            f"{result['train_compile_s']['cold']:.3g}",
            f"{result['peak_gib']:.3g}",
            _share(name, result, results),
            _ratio(result, peer, "train_step_s"),
            _ratio(result, peer, "synthesis_s"),
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(name: str, result: Mapping, results: Mapping[str, Mapping]) -> str:
    """The share of the machine's rate; empty without a count of the work."""
    config = name.split("-")[0]
    counts = [
        found
        for other, found in results.items()
        if other.startswith(f"{config}-") and "train_gflop" in found
    ]
    if not counts:
        return ""
    gflop = counts[0]["train_gflop"] / counts[0]["batch"] * result["batch"]
    rate = gflop / result["train_step_s"] / result["machine"]["matrix_gflops"]
    return f"{rate:.0%}"


def _ratio(result: Mapping, peer: Mapping, field: str) -> str:
    return f"{result[field] / peer[field]:.2f}" if field in peer else ""


def _line(result: Mapping) -> str:
    if "error" in result:
        return result["error"]
    shown = {key: value for key, value in result.items() if key.endswith(("_s", "op"))}
    numbers = {key: v for key, v in shown.items() if isinstance(v, float)}
    return ", ".join(f"{key} {value:.4g}" for key, value in numbers.items())
