"""Stopping in order on Ctrl-C (SIGINT) and when the system asks for it (SIGTERM)."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

_AGAIN = b"stopping after this step; Ctrl-C again stops at once\n"


_received: list[int] = []
"""Signals that this process has received in `sigterm_like_ctrl_c`."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised where Ctrl-C would raise a `KeyboardInterrupt`."""


def number_of(error: KeyboardInterrupt) -> signal.Signals:
    """The signal that has raised the exception."""
    return signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT


@contextlib.contextmanager
def sigterm_like_ctrl_c() -> Iterator[None]:
    """Lets SIGTERM raise `Terminated`, so that what is half-written is taken away.

    Outside the main thread, where Python allows no signal handlers, nothing changes.
    """

    def end(number: int, frame: object) -> None:
        _received.append(number)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    try:
        with _handled(end, (signal.SIGTERM, signal.SIGINT)):
            yield
    finally:
        _received.clear()


@contextlib.contextmanager
def stop_signal(*, ctrl_c: bool = True) -> Iterator[threading.Event]:
    """Yields an event that a signal sets, so that a loop can save its state and end.

    Outside the main thread it is never set.

    Args:
      ctrl_c: whether SIGINT sets it, as SIGTERM does. A second SIGINT raises a
        `KeyboardInterrupt`, for a user who does not want to wait.
    """
    stop = threading.Event()
    if _received:
        stop.set()  # The exception of an earlier signal was lost in a library.

    def ask(number: int, frame: object) -> None:
        if number == signal.SIGINT:
            if stop.is_set():
                raise KeyboardInterrupt
            # A handler may interrupt a print, so that it must not print by itself.
            os.write(2, _AGAIN)
        stop.set()

    signals = (signal.SIGTERM, signal.SIGINT) if ctrl_c else (signal.SIGTERM,)
    with _handled(ask, signals):
        yield stop


@contextlib.contextmanager
def asked_to_stop_after(seconds: float) -> Iterator[None]:
    """Sends this process SIGTERM after some seconds, if the block lasts as long.

    A training loop saves its state then (see `stop_signal`).

    Args:
      seconds: 0 for no limit.
    """
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    if seconds:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _handled(handler, signals: tuple[signal.Signals, ...]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
