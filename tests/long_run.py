"""Does a long run leak? Trains for thousands of steps and watches the process.

    python -m tests.long_run [--steps=2000] [--ngf=12]

The paired demo with an evaluation every 150 steps and a checkpoint every 100. At the
end, memory must be within 5 % of that at step 200, and file handles and threads must be
no more than then.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from pathlib import Path

FIRST = 200
"""By then everything has been used once: steps, a checkpoint, an evaluation."""

GROWTH = 1.05


def main() -> int:
    """Runs, prints what was measured, and returns 1 for a leak."""
    parser = argparse.ArgumentParser(prog="python -m tests.long_run")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--ngf", type=int, default=12, help="the demo has 12")
    parser.add_argument("--subjects", type=int, default=25)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="long-run-") as folder:
        measured = _train(Path(folder), arguments)
    return _report(measured)


def _train(folder: Path, arguments) -> dict[int, dict[str, int]]:
    """Step -> what the process holds, every hundred steps."""
    from samr_jax.config import method_config
    from samr_jax.training import loop as train

    config = method_config("cg_samr", "demo")
    config.name = "long-run"
    config.model.ngf = arguments.ngf
    config.data.subjects = arguments.subjects
    config.steps = arguments.steps
    config.log_steps = 50
    measured: dict[int, dict[str, int]] = {}

    class Writers(train.Writers):
        def scalars(self, step, values):
            super().scalars(step, values)
            if step % 100 == 0:
                measured[step] = _held()
                print(step, measured[step], flush=True)

    train.Writers = Writers
    dataset = train.training_dataset(config)
    method = train.build_method(config, dataset)
    epoch = train.training_batches(config, dataset, method).epoch_steps
    config.checkpoint_epochs, config.eval_epochs = 100 / epoch, 150 / epoch
    config.sample_epochs = 150 / epoch
    train.train_and_evaluate(config, folder / "run")
    return measured


def _held() -> dict[str, int]:
    """Resident memory in MiB, open files and threads, natives ones too."""
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
    )
    return {
        "mib": int(status["VmRSS"].split()[0]) // 1024,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": int(status["Threads"]),
        "python_threads": threading.active_count(),
    }


def _report(measured: dict[int, dict[str, int]]) -> int:
    first, last = measured[FIRST], measured[max(measured)]
    leaks = [name for name in ("files", "threads") if last[name] > first[name]]
    if last["mib"] > first["mib"] * GROWTH:
        leaks.append("memory")
    print(f"step {FIRST}: {first}\nstep {max(measured)}: {last}")
    print(f"leaks: {', '.join(leaks) or 'none'}")
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main())
