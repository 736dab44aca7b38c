"""Takes the network away from commands, and sees whether they ask for it.

`blocked` serves commands within the process of the tests. `cut_off` starts a process
that has no network at all, and sees libraries that are not written in Python, too.
"""

import contextlib
import functools
import ipaddress
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

EVENTS = frozenset(
    {
        "socket.connect",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
    }
)
"""Python reports these before it sends anything or looks up a name."""

_WITHOUT_NETWORK = ("unshare", "--net")

_lists: list[list[str]] = []
"""What each active `blocked` has seen so far."""


class Blocked(OSError):
    """The network was asked for."""


@contextlib.contextmanager
def blocked() -> Iterator[list[str]]:
    """Lets every connection to another machine and every look-up of a name fail.

    Connections within this machine stay possible, since processes need them to talk to
    one another.

    Yields:
      The connections and look-ups that were tried. A library may swallow the exception,
      so a test has to look at this list.
    """
    asked: list[str] = []
    _lists.append(asked)
    try:
        yield asked
    finally:
        _lists.remove(asked)


def cut_off(
    command: Sequence[str], **options
) -> tuple[subprocess.CompletedProcess, int]:
    """Runs a command in a process without network, where the system allows that.

    Args:
      command: the program and its arguments.
      **options: for `subprocess.run`.

    Returns:
      The ended process, and the number of packets that it has tried to send to another
      machine. The kernel counts them as packets without a route. The number is 0 where
      the system does not allow a process without network.
    """
    options |= {"capture_output": True, "text": True, "check": False}
    if not can_cut_off():
        return subprocess.run(command, **options), 0
    script = '"$@"; code=$?; head -n 2 /proc/self/net/snmp; exit $code'
    shell = [*_WITHOUT_NETWORK, "sh", "-c", script, "sh"]
    done = subprocess.run([*shell, *command], **options)
    *lines, names, values = done.stdout.splitlines(keepends=True)
    counts = dict(zip(names.split(), values.split(), strict=True))
    done.stdout = "".join(lines)
    return done, int(counts["OutNoRoutes"])


@functools.cache
def can_cut_off() -> bool:
    """Whether this process may start one without network."""
    tried = subprocess.run(
        [*_WITHOUT_NETWORK, "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


def _hook(event: str, arguments: tuple) -> None:
    if not _lists or event not in EVENTS:
        return
    place, *others = arguments
    if isinstance(place, socket.socket):
        if place.family == socket.AF_UNIX:
            return
        place = others[0]
    host = place[0] if isinstance(place, tuple) else place
    if not _is_this_machine(host):
        for asked in _lists:
            asked.append(f"{event} {place}")
        raise Blocked(f"{event} {place}: the network is blocked")


def _is_this_machine(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(str(name)).is_loopback
    return False


# A hook cannot be removed, so that all tests of a process share this one.
sys.addaudithook(_hook)
