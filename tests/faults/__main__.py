"""The command: see the package."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

logging.getLogger("absl").setLevel(logging.ERROR)


def main() -> int:
    """Runs the scenarios, prints a table, and returns how many faults were fatal."""
    from tests.faults.kinds import KINDS

    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help=f"some of {','.join(KINDS)}")
    parser.add_argument("--repeats", type=int, help="of every kind")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else list(KINDS)
    unknown = set(chosen) - set(KINDS)
    if unknown:
        parser.error(f"no fault {sorted(unknown)[0]!r}")
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        return _run_all(Path(folder), chosen, arguments.seed, arguments.repeats)


def _run_all(folder: Path, names: list[str], seed: int, repeats: int | None) -> int:
    from tests.faults.bench import Bench, Failure
    from tests.faults.disks import NotAllowed
    from tests.faults.kinds import KINDS

    bench = Bench(folder)
    print(f"{'fault':<18}{'survived':>10}{'seconds':>9}", flush=True)
    fatal = 0
    for name in names:
        scenario, usual, faults = KINDS[name]
        count = repeats or usual
        begun, survived, remarks = time.monotonic(), 0, []
        for repeat in range(count):
            rng = np.random.default_rng((seed, repeat, *name.encode()))
            try:
                scenario(bench, rng)
                survived += faults
            except NotAllowed as reason:
                remarks.append(f"skipped: {reason}")
            except Failure as failure:
                fatal += 1
                remarks.append(f"repeat {repeat}: {failure}")
        found = f"{survived} of {faults * count}"
        seconds = time.monotonic() - begun
        print(f"{name:<18}{found:>10}{seconds:>9.0f}", *remarks[:1], flush=True)
        for remark in remarks[1:]:
            print(f"{'':<37}", remark, flush=True)
    return fatal


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
