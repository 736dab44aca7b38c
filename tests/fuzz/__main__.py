"""The command: see the package."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.corpus import keep, known
from tests.fuzz.guard import SECONDS, kinds, run
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Fuzzes the targets, prints a table, and returns how many mutants went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help=f"some of {','.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--keep", action="store_true", help="what fails, in the corpus")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else list(TARGETS)
    unknown = set(chosen) - set(TARGETS)
    if unknown:
        parser.error(f"no target {sorted(unknown)[0]!r}")
    row = "{:<12}{:>9}{:>9}{:>10}{:>7}{:>9}"
    print(row.format("target", "mutants", "refused", "accepted", "wrong", "seconds"))
    wrong = 0
    for name in chosen:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            report = run(
                TARGETS[name],
                Path(folder),
                count=arguments.count,
                seed=arguments.seed,
                seconds=arguments.seconds,
                known=known(name),
            )
        counts = (report.count, report.refused, report.accepted, len(report.failures))
        print(row.format(name, *counts, f"{time.monotonic() - begun:.0f}"), flush=True)
        for line in kinds(report):
            print(" ", line, flush=True)
        wrong += len(report.failures)
        for number, mutant in report.mutants.items() if arguments.keep else ():
            keep(name, mutant, report.failures[number])
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
