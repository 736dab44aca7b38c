"""Starts a command, from ``samr-jax COMMAND`` or from its script in ``launch/``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

import samr_jax
from samr_jax.commands.frame.config_flag import unknown_override
from samr_jax.commands.frame.help_page import help_page, split_text, wrapped
from samr_jax.runtime import launching
from samr_jax.runtime.errors import InputError

COMMANDS = (
    "synthesize",
    "edit",
    "page",
    "segment",
    "prepare",
    "train",
    "evaluate",
    "augment",
    "export",
    "figures",
    "tables",
    "benchmark",
    "pretrain",
)
"""The modules of this package, in the order of ``samr-jax --help``.

A module has a docstring, which is the text of its ``--help``, its ``FLAGS``, and a
function ``main``. JAX is imported in ``main``, so that ``--help`` comes at once.
"""


def main() -> None:
    """The program ``samr-jax``."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h", "help"):
        print(overview())
    elif name == "--version":
        print(f"samr_jax {samr_jax.__version__}")
    elif name in COMMANDS:
        run(name, arguments, program=f"samr-jax {name}")
    else:
        known = ", ".join(COMMANDS)
        launching.leave(f"{name!r} is no command, expected one of {known}")


def run_script(name: str) -> None:
    """Runs a command with the arguments of this process, started as a script."""
    run(name, sys.argv[1:], program=f"python {sys.argv[0]}")


def run(name: str, arguments: Sequence[str], *, program: str) -> None:
    """Runs a command.

    Args:
      name: one of `COMMANDS`.
      arguments: the flags.
      program: how the user has started the command.
    """
    command = _module(name)
    if any(text in ("--help", "-h", "-help") for text in arguments):
        text = command.__doc__ or ""
        print(help_page(text, command.FLAGS, program=program, name=name))
        return

    def parse() -> None:
        try:
            command.FLAGS.parse(program, arguments)
        except InputError:
            raise
        # Config files and their overrides may raise any exception.
        except Exception as error:
            raise InputError(unknown_override(arguments) or _reason(error)) from error

    launching.run(command.main, parse)


def overview() -> str:
    """All commands, with a sentence on each."""
    lines = [
        "Confidence-guided synthesis of multi-contrast brain MR images.",
        "",
        "    samr-jax COMMAND --help",
        "",
        "Commands:",
    ]
    for name in COMMANDS:
        summary, _, _ = split_text(_module(name).__doc__ or "")
        lines.append(f"  {name}".ljust(14) + wrapped(summary, 14).lstrip())
    return "\n".join([*lines, "", "Research software, not for clinical use."])


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"samr_jax.commands.{name}")


def _reason(error: Exception) -> str:
    """The message of an exception from flags and config files, in one line."""
    if isinstance(error, KeyError | AttributeError):
        field = str(error.args[0]).replace('"', "").replace("'", "")
        return f"flags: unknown config field {field}"
    # A config file's own error is on the last line, after where it was raised.
    lines = [line for line in str(error).splitlines() if line.strip()]
    reason = lines[-1].strip() if lines else type(error).__name__
    return reason.removeprefix("flag ") if "--" in reason else f"flags: {reason}"
