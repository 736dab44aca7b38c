"""Progress of long loops: a bar on a terminal, lines elsewhere.

A log file keeps every state of a bar that is drawn again and again, as one long line.
There, a line is written now and then instead.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from tqdm import tqdm

INTERVAL = 20.0
"""Fewest seconds between two lines."""


class Progress(Protocol):
    """What `progress` yields."""

    def update(self) -> None:
        """Counts one more item."""

    def aside(self) -> contextlib.AbstractContextManager:
        """A block that may print lines of its own."""


@contextlib.contextmanager
def progress(total: int, label: str) -> Iterator[Progress]:
    """Shows on standard error how many of `total` items are done, and the time left.

    Args:
      total: number of items.
      label: what is counted or done, such as "subjects" or "preparing".
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=label, unit="") as bar:
            yield _Bar(bar)
    else:
        yield Lines(total, label)


@contextlib.contextmanager
def silent(total: int, label: str) -> Iterator[Progress]:
    """Shows nothing; for callers of the package who have not asked for progress."""
    yield Lines(total, label, write=lambda line: None)


Show = Callable[[int, str], contextlib.AbstractContextManager[Progress]]
"""`progress` or `silent`."""


class _Bar:
    def __init__(self, bar: tqdm):
        self._bar = bar

    def update(self) -> None:
        self._bar.update()

    def aside(self) -> contextlib.AbstractContextManager:
        return self._bar.external_write_mode()


class Lines:
    """Progress as lines, with at least `INTERVAL` seconds between them.

    The last item has a line, unless there is only one.

    Args:
      total: number of items.
      label: what the items are.
      clock: seconds since any moment.
      write: receives a line.
    """

    def __init__(
        self,
        total: int,
        label: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        write: Callable[[str], None] | None = None,
    ):
        self._total, self._label = total, label
        self._clock, self._write = clock, write or _to_standard_error
        self._done, self._start = 0, clock()
        self._last = self._start

    def update(self) -> None:
        self._done += 1
        now = self._clock()
        passed = now - self._start
        counted = f"{self._label}: {self._done} of {self._total}"
        if self._done == self._total > 1:
            self._write(f"{counted} in {duration(passed)}")
        elif now - self._last >= INTERVAL:
            left = passed / self._done * (self._total - self._done)
            self._write(f"{counted}, {duration(left)} left")
            self._last = now

    def aside(self) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()


def duration(seconds: float) -> str:
    """A time in words: ``45 s``, ``12 min`` or ``3 h 5 min``."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _to_standard_error(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
