"""Runs the commands of ``launch/`` within the process of the test.

Starting a process takes seconds for its imports, and tracing and compiling again. A few
tests start processes nevertheless, since that is what a user does: `start` is for them.
"""

import contextlib
import dataclasses
import io
import logging
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import absl.logging

from samr_jax.commands import COMMANDS
from tests.network import blocked, cut_off

ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Done:
    """A command that has ended, with the names that `subprocess.run` has."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The one line that tells the user what to mend.

        Raises:
          AssertionError: if the command succeeded or said anything else.
        """
        lines = [line for line in self.stderr.splitlines() if "error:" in line]
        assert self.returncode == 1 and len(lines) == 1, self.stderr
        assert "Traceback" not in self.stderr, self.stderr
        return lines[0]


def launch(script: str, *arguments) -> Done:
    """Runs ``launch/<script>.py`` in this process, with the network blocked.

    An exception that the command does not turn into one line is raised here.

    Raises:
      AssertionError: the command has asked for the network.
    """
    path = str(ROOT / "launch" / f"{script}.py")
    stdout, stderr = io.StringIO(), io.StringIO()
    code = 0
    with (
        mock.patch.object(sys, "argv", [path, *map(str, arguments)]),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        _process_as_before(),
        blocked() as asked,
    ):
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as ended:
            code = ended.code or 0
    assert not asked, asked
    return Done(code, stdout.getvalue(), stderr.getvalue())


def start(script: str, *arguments) -> Done:
    """Runs ``launch/<script>.py`` in a process of its own.

    Where the system allows it, the process has no network.

    Raises:
      AssertionError: the process has tried to send something.
    """
    done, sent = cut_off(
        [sys.executable, f"launch/{script}.py", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert not sent, f"{sent} packets"
    return Done(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def _process_as_before() -> Iterator[None]:
    """Takes back what a command does to its process."""
    ours = logging.getLogger("samr_jax")
    handlers, level, propagate = list(ours.handlers), ours.level, ours.propagate
    verbosity, hook = absl.logging.get_verbosity(), sys.unraisablehook
    try:
        yield
    finally:
        # A module of a command holds the values of its flags.
        for name in COMMANDS:
            sys.modules.pop(f"samr_jax.commands.{name}", None)
        ours.handlers[:] = handlers
        ours.setLevel(level)
        ours.propagate = propagate
        absl.logging.set_verbosity(verbosity)
        sys.unraisablehook = hook
