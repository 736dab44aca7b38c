"""Stopping in order when the system asks for it (SIGTERM)."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """Yields an event that SIGTERM sets, so that a loop can save its state and end.

    Outside the main thread, where Python allows no signal handlers, it is never set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, previous)
