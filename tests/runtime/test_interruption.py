"""Ctrl-C and SIGTERM end a command in the same way: one line, nothing half-written."""

import contextlib
import os
import signal
import sys
import threading

import pytest

from samr_jax.runtime import launching
from samr_jax.runtime.files import new_directory
from samr_jax.runtime.interruption import (
    Terminated,
    asked_to_stop_after,
    sigterm_like_ctrl_c,
    stop_signal,
)

pytestmark = pytest.mark.quick

BOTH = [signal.SIGINT, signal.SIGTERM]


def send(number):
    """The signal, which Python handles before the next line."""
    os.kill(os.getpid(), number)


def handlers():
    return [signal.getsignal(number) for number in BOTH]


@pytest.mark.parametrize("number", BOTH)
def test_a_loop_is_asked_to_stop(number, capfd):
    before = handlers()
    with stop_signal() as stop:
        assert not stop.is_set()
        send(number)
        assert stop.is_set()
    assert handlers() == before
    told = capfd.readouterr().err
    assert told.count("\n") == (number == signal.SIGINT)


def test_a_second_ctrl_c_stops_at_once():
    with pytest.raises(KeyboardInterrupt), stop_signal():
        send(signal.SIGTERM)
        send(signal.SIGTERM)  # Schedulers repeat it.
        send(signal.SIGINT)


def test_ctrl_c_is_left_alone_where_it_is_not_wanted():
    # A shell that starts the tests in the background has them ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _stays_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)


def _stays_ctrl_c():
    with pytest.raises(KeyboardInterrupt), stop_signal(ctrl_c=False) as stop:
        send(signal.SIGINT)
    assert not stop.is_set()


def test_other_threads_change_no_handler():
    before, seen = handlers(), []

    def work():
        with stop_signal(), sigterm_like_ctrl_c():
            seen.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("number", BOTH)
def test_a_command_ends_in_one_line_and_leaves_nothing(
    number, tmp_path, monkeypatch, capsys
):
    def main():
        with new_directory(tmp_path / "out") as folder:
            (folder / "first").write_text("written")
            send(number)
            raise AssertionError("the command went on")

    before = handlers()
    monkeypatch.setattr(sys, "argv", ["command"])
    monkeypatch.setattr(launching, "prepare_process", lambda: None)
    with pytest.raises(SystemExit) as ended:
        launching.run(main)
    assert ended.value.code == 128 + number
    assert capsys.readouterr().err == f"error: stopped by {number.name}\n"
    assert handlers() == before and not list(tmp_path.iterdir())


def test_sigterm_is_told_apart():
    with pytest.raises(Terminated), sigterm_like_ctrl_c():
        send(signal.SIGTERM)


@pytest.mark.parametrize("number", BOTH)
def test_a_signal_within_a_destructor_is_not_lost(number, monkeypatch, capsys):
    """Python drops exceptions there; JAX has such a callback of the collector."""

    class Frail:
        def __del__(self):
            send(number)

    def main():
        Frail()
        threading.Event().wait(10)
        raise AssertionError("the signal was lost")

    monkeypatch.setattr(launching, "prepare_process", lambda: None)
    monkeypatch.setattr(sys, "unraisablehook", launching._on_unraisable)
    with pytest.raises(SystemExit) as ended:
        launching.run(main)
    assert ended.value.code == 128 + number
    assert capsys.readouterr().err == f"error: stopped by {number.name}\n"


@pytest.mark.parametrize("number", BOTH)
def test_a_loop_hears_of_a_signal_that_a_library_has_swallowed(number):
    with sigterm_like_ctrl_c():
        with contextlib.suppress(KeyboardInterrupt):
            send(number)
        with stop_signal() as stop:
            assert stop.is_set()
    with sigterm_like_ctrl_c(), stop_signal() as stop:
        assert not stop.is_set()


def test_a_loop_is_asked_to_stop_when_its_time_is_over():
    with stop_signal() as stop, asked_to_stop_after(0.01):
        assert stop.wait(10)
    with stop_signal() as stop:
        with asked_to_stop_after(0.05):
            pass
        with asked_to_stop_after(0):
            assert not stop.wait(0.2)
