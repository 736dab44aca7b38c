"""What a run writes down as it goes: metrics.jsonl, TensorBoard, the console."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter

from samr_jax.files import write_text

_log = logging.getLogger(__name__)

LOG = "metrics.jsonl"


class Writers:
    """Scalars of a run, and its progress."""

    def __init__(
        self, workdir: Path | None, *, step: int, steps: int, epoch_steps: int
    ):
        """Args:
        workdir: of the run; None in a process that is to write nothing.
        step: where the run begins; log lines beyond it, of a run that was killed after
          its last checkpoint, are dropped, since they will be written again.
        steps: where it ends.
        epoch_steps: steps of an epoch.
        """
        self._steps = steps
        self._epoch_steps = epoch_steps
        self._clock = time.monotonic()
        self._clock_step = step
        self._file = self._events = None
        if workdir is None:
            return
        path = workdir / LOG
        if path.exists():
            kept = [
                line
                for line in path.read_text().splitlines()
                if (entry := _parse(line)) is not None and entry["step"] <= step
            ]
            write_text(path, "".join(f"{line}\n" for line in kept))
        self._file = path.open("a", buffering=1)
        self._events = SummaryWriter(str(workdir / "events"), purge_step=step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One log line: metrics, steps per second, and on the console the time left."""
        if self._file is None:
            return
        now = time.monotonic()
        speed = (step - self._clock_step) / max(now - self._clock, 1e-9)
        self._clock, self._clock_step = now, step
        epoch = step / self._epoch_steps
        entry = {"step": step, "epoch": round(epoch, 3), **values}
        self._file.write(json.dumps(entry) + "\n")
        for name, value in values.items():
            self._events.add_scalar(name, value, step)
        shown = [
            f"{name} {value:.3f}" for name, value in values.items() if _headline(name)
        ]
        if speed > 0:
            left = _duration((self._steps - step) / speed)
            shown.append(f"{speed:.2f} steps/s, {left} left")
            self._events.add_scalar("steps_per_second", speed, step)
        _log.info(
            "step %d/%d  epoch %.1f  %s", step, self._steps, epoch, "  ".join(shown)
        )

    def pause(self) -> PausedClock:
        """Keeps what is not training (evaluation, pictures) out of the speed."""
        return PausedClock(self)

    def close(self) -> None:
        """Flushes and closes the files."""
        if self._file is None:
            return
        self._file.close()
        self._events.close()


class PausedClock:
    """Context in which the speed's clock stands still."""

    def __init__(self, writers: Writers):
        self._writers = writers

    def __enter__(self) -> None:
        self._start = time.monotonic()

    def __exit__(self, *_) -> None:
        self._writers._clock += time.monotonic() - self._start


def _headline(name: str) -> bool:
    return name.endswith("/total") or name.startswith("val/") or "confidence" in name


def _parse(line: str) -> dict | None:
    """A log line, or None for one that a kill left half-written."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "step" in entry else None


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{seconds:02d}s"
