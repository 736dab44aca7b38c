"""The log of a run: metrics.jsonl, TensorBoard events and console lines."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

from samr_jax.runtime.files import write_text, writing

_log = logging.getLogger(__name__)

LOG = "metrics.jsonl"


class Writers:
    """Scalars of a run, and its progress."""

    def __init__(
        self, workdir: Path | None, *, step: int, steps: int, epoch_steps: int
    ):
        """Args:
        workdir: the work directory; None in a process that writes nothing.
        step: the step from which the run starts or resumes. Later log lines, which a
          run leaves that was killed after its last checkpoint, are dropped: they will
          be written again.
        steps: the last step.
        epoch_steps: steps of an epoch.
        """
        self._steps = steps
        self._epoch_steps = epoch_steps
        self._clock = time.monotonic()
        self._clock_step = step
        self._file: Any = None
        self._events: Any = None
        if workdir is None:
            return
        self._path = workdir / LOG
        with writing(self._path):
            _drop_lines_after(step, self._path)
            self._file = self._path.open("a", buffering=1)
            (workdir / "events").mkdir(exist_ok=True)
            # Not SummaryWriter: if a full disk ends its thread, the loop waits for that
            # thread for ever.
            self._events = EventsWriter(str(workdir / "events" / "events"))
            self._event(step + 1, session_log=SessionLog(status=SessionLog.START))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one log line; the console also shows the speed and the time left."""
        if self._file is None:
            return
        now = time.monotonic()
        speed = (step - self._clock_step) / max(now - self._clock, 1e-9)
        self._clock, self._clock_step = now, step
        epoch = step / self._epoch_steps
        entry = {"step": step, "epoch": round(epoch, 3), **values}
        shown = [
            f"{name} {value:.3f}" for name, value in values.items() if _headline(name)
        ]
        if speed > 0:
            left = _duration((self._steps - step) / speed)
            shown.append(f"{speed:.2f} steps/s, {left} left")
            values = {**values, "steps_per_second": speed}
        with writing(self._path):
            self._file.write(json.dumps(entry) + "\n")
            for name, value in values.items():
                self._event(step, summary=scalar(name, value))
            self._events.flush()
        _log.info(
            "step %d/%d  epoch %.1f  %s", step, self._steps, epoch, "  ".join(shown)
        )

    def pause(self) -> PausedClock:
        """Leaves evaluation and pictures out of the measured training speed."""
        return PausedClock(self)

    def close(self) -> None:
        """Flushes and closes the files."""
        if self._file is None:
            return
        with writing(self._path):
            self._file.close()
            self._events.close()

    def _event(self, step: int, **content) -> None:
        self._events.write_event(Event(wall_time=time.time(), step=step, **content))


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


def _drop_lines_after(step: int, path: Path) -> None:
    if not path.exists():
        return
    lines = path.read_text(errors="replace").splitlines()
    kept = [line for line in lines if _step_of(line) <= step]
    write_text(path, "".join(f"{line}\n" for line in kept))


def _step_of(line: str) -> float:
    """The step of a log line; infinity for one that a kill left half-written."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{seconds:02d}s"
