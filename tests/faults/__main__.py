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
    from tests.faults.scenarios import SCENARIOS

    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help=f"some of {','.join(SCENARIOS)}")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else list(SCENARIOS)
    unknown = set(chosen) - set(SCENARIOS)
    if unknown:
        parser.error(f"no fault {sorted(unknown)[0]!r}")
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        return _run_all(Path(folder), chosen, arguments.seed)


def _run_all(folder: Path, names: list[str], seed: int) -> int:
    from tests.faults.bench import Bench, Failure
    from tests.faults.disks import NotAllowed
    from tests.faults.scenarios import SCENARIOS

    bench = Bench(folder)
    print(f"{'fault':<18}{'survived':>10}{'seconds':>9}", flush=True)
    fatal = 0
    for name in names:
        scenario, faults, repeats = SCENARIOS[name]
        begun, survived, remarks = time.monotonic(), 0, []
        for repeat in range(repeats):
            rng = np.random.default_rng((seed, repeat, *name.encode()))
            try:
                scenario(bench, rng)
                survived += faults
            except NotAllowed as reason:
                remarks.append(f"skipped: {reason}")
            except Failure as failure:
                fatal += 1
                remarks.append(f"repeat {repeat}: {failure}")
        count = f"{survived} of {faults * repeats}"
        seconds = time.monotonic() - begun
        print(f"{name:<18}{count:>10}{seconds:>9.0f}", *remarks[:1], flush=True)
        for remark in remarks[1:]:
            print(f"{'':<37}", remark, flush=True)
    return fatal


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
