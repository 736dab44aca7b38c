"""The other processes of a run: connecting to them, and ending when one is lost."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from typing import NoReturn

from samr_jax.runtime.errors import InputError

_COORDINATOR = "JAX_COORDINATOR_ADDRESS"
_ASKED_FOR = "SAMR_JAX_DISTRIBUTED"
_leaving = threading.Lock()


def is_one_of_several() -> bool:
    """Whether the environment says that this process is one of several."""
    if _COORDINATOR in os.environ:
        return os.environ.get("JAX_NUM_PROCESSES") != "1"
    return os.environ.get(_ASKED_FOR) == "1"


def connect() -> None:
    """Connects this process to the others of its run, if there are any.

    `jax.distributed` needs ``JAX_COORDINATOR_ADDRESS``, ``JAX_NUM_PROCESSES`` and
    ``JAX_PROCESS_ID``. Where JAX finds the other processes itself, as on a slice of TPU
    VMs, ``SAMR_JAX_DISTRIBUTED=1`` takes their place.

    Raises:
      InputError: one of the three variables is missing or wrong.
    """
    if not is_one_of_several():
        return
    described = _described() if _COORDINATOR in os.environ else ()
    import jax

    _end_in_one_line_when_jax_aborts()
    jax.distributed.initialize(*described)


def _described() -> tuple[str, int, int]:
    """The environment's address of the coordinator, number of processes, and index."""
    names = (_COORDINATOR, "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
    for name in names:
        if not os.environ.get(name):
            raise InputError(f"{name} is not set, expected with {_COORDINATOR}")
    address, count, index = (os.environ[name] for name in names)
    host, _, port = address.rpartition(":")
    if not host or not _is_count(port):
        raise InputError(f"{_COORDINATOR}={address:.100}, expected HOST:PORT")
    if not _is_count(count) or int(count) < 1:
        raise InputError(f"JAX_NUM_PROCESSES={count:.100}, expected their number")
    if not _is_count(index) or int(index) >= int(count):
        raise InputError(
            f"JAX_PROCESS_ID={index:.100}, expected 0 to {int(count) - 1}, since there "
            f"are {count} processes"
        )
    return address, int(count), int(index)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def leave(reason: str) -> NoReturn:
    """Ends this process, most likely because another one has ended.

    Several threads may call this function. One of them prints the line.
    """
    _leaving.acquire()  # It is never released, so that other threads wait for the end.
    message = (
        f"error: another process has failed or cannot be reached ({reason:.200}); "
        "start all of them again, and the run resumes\n"
    )
    os.write(sys.stderr.fileno(), message.encode())
    # sys.exit would not return: JAX waits for the other processes at exit.
    os._exit(1)


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _on_abort(_: int) -> None:
    leave("JAX's own message is above")


def _end_in_one_line_when_jax_aborts() -> None:
    """Makes this process end by `leave` when JAX aborts it.

    A thread of JAX calls C's ``abort`` when the coordinating process is gone or another
    one stops answering, often before Python learns of it. Handlers of Python's module
    `signal` come too late, since they run after the C handler has returned, and the
    process ends at that moment. So this function sets the C handler itself.
    """
    ctypes.CDLL(None).signal(signal.SIGABRT, _on_abort)
