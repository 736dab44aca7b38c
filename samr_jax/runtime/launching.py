"""The process of a command: errors, logging, and devices."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import absl.logging

from samr_jax.runtime import peers
from samr_jax.runtime.errors import InputError, TrainingError, one_line
from samr_jax.runtime.interruption import number_of, sigterm_like_ctrl_c
from samr_jax.runtime.memory import keep_freed_memory

_log = logging.getLogger(__name__)

_TRACEBACK = "SAMR_JAX_TRACEBACK"
"""Variable of the environment that asks for tracebacks of errors that are one line."""

_WORTH_KEEPING = 0.05
"""Seconds of compiling from which on a program is kept for later starts. JAX's default
of 1 would leave out the programs that draw random numbers."""


def run(main: Callable[[], None], parse: Callable[[], None] = lambda: None) -> None:
    """Prepares this process and calls `main`.

    Errors that the user can correct (`InputError`, `TrainingError`, errors of the file
    system and lack of memory) are printed as one line, with exit status 1. Ctrl-C and
    SIGTERM end in one line, too, with the exit status that shells give them. Any other
    exception is a mistake of this package and keeps its traceback. An error of the file
    system may be one, too, so that its line says how to see the traceback:
    ``SAMR_JAX_TRACEBACK=1`` in the environment prints it before the line.

    Args:
      main: the work.
      parse: reads the flags; it is called before devices are used.
    """
    try:
        with sigterm_like_ctrl_c():
            keep_freed_memory()  # Config files import JAX.
            parse()
            prepare_process()
            main()
    except KeyboardInterrupt as error:
        _leave_by_signal(error)
    except (InputError, TrainingError) as error:
        leave(str(error))
    except OSError as error:
        # A name that is too long, a folder that may not be read, a disk that is gone.
        reason = one_line(f"{error.filename or 'system'}: {error.strerror or error}")
        leave(f"{reason} ({_TRACEBACK}=1 prints where)")
    except MemoryError as error:
        leave(f"not enough memory ({str(error) or 'for an array'})")
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):  # how a device says it
            reason = str(error).splitlines()[0]
            leave(f"not enough memory ({reason}); a smaller batch needs less")
        if not peers.is_one_of_several():
            raise
        _print_traceback_if_asked()
        peers.leave((str(error).splitlines() or [""])[0])


def leave(message: str) -> NoReturn:
    """Ends this process with one line for the user and exit status 1.

    While an exception is handled, ``SAMR_JAX_TRACEBACK=1`` prints its traceback first.
    """
    _print_traceback_if_asked()
    print(f"error: {one_line(message)}", file=sys.stderr)
    sys.exit(1)


def _print_traceback_if_asked() -> None:
    if os.environ.get(_TRACEBACK) == "1" and sys.exc_info()[0] is not None:
        traceback.print_exc()


def _leave_by_signal(error: KeyboardInterrupt) -> NoReturn:
    """Ends this process after Ctrl-C or SIGTERM."""
    number = number_of(error)
    print(f"error: stopped by {number.name}", file=sys.stderr, flush=True)
    if peers.is_one_of_several():
        os._exit(128 + number)  # sys.exit would wait for the other processes.
    sys.exit(128 + number)


def prepare_process() -> None:
    """Sets up logging and the compilation cache, and connects the run's processes."""
    _log_to_console()
    import jax

    from samr_jax.runtime.files import cache_directory

    cache = cache_directory() / "compiled"
    if _is_private(cache):
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_KEEPING)
    peers.connect()  # before any device is used
    devices = jax.devices()
    _log.info(
        "%d %s device(s), %d process(es)",
        len(devices),
        devices[0].device_kind,
        jax.process_count(),
    )


def _is_private(cache: Path) -> bool:
    """Makes a folder private to the user, since the programs in it are executed.

    Returns:
      False if that is not possible.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        cache.chmod(0o700)
    except OSError as error:
        # This is also raised for a folder of another user.
        _log.warning("no compilation cache: %s (%s)", cache, error.strerror)
        return False
    return cache.stat().st_uid == os.getuid()


def _log_to_console() -> None:
    """Logs this package's messages on standard error, but hardly any of libraries.

    When a save fails, Orbax logs a traceback and then raises the error, which `run`
    prints as one line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    ours = logging.getLogger("samr_jax")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    absl.logging.set_verbosity(absl.logging.FATAL)
    sys.unraisablehook = _on_unraisable


def _on_unraisable(raised) -> None:
    """Handles exceptions of places where Python cannot raise them.

    A signal that arrives in a destructor or in a callback of the garbage collector
    would be lost, so that it is sent again. Left out are errors that only follow from a
    failed save: Orbax closes its event loop, and TensorStore's threads then raise one
    error per array. The cause of the failure is reported elsewhere.
    """
    if isinstance(raised.exc_value, KeyboardInterrupt):
        again = (os.getpid(), number_of(raised.exc_value))
        threading.Timer(0.1, os.kill, again).start()
    elif str(raised.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(raised)
