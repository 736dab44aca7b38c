"""The pages of ``--help``: a sentence, examples, flags in groups, and details."""

from __future__ import annotations

import re
import shutil
import textwrap
from typing import Any

from samr_jax.commands.frame.flags import Entry, Flags, Group

_COLUMN = 26
"""Column at which a flag's description begins."""


def help_page(text: str, command: Flags, *, program: str, name: str) -> str:
    """The page of a command.

    Args:
      text: docstring of the command's module: a sentence, indented examples, details.
      command: its flags.
      program: how the user has started it, such as ``python launch/main.py``.
      name: name of the command, for which ``samr-jax <name>`` stands in `text`.
    """
    text = text.replace(f"samr-jax {name} ", f"{program} ")
    summary, examples, details = split_text(text)
    parts = [summary, examples, *map(_group, command.groups)]
    return "\n\n".join(part for part in [*parts, details] if part)


def split_text(text: str) -> tuple[str, str, str]:
    """The first paragraph of a docstring, its first indented block, and the rest."""
    found = re.fullmatch(
        r"(.+?)\n\n((?: {4}[^\n]*\n|\n)*)(.*)", text.strip() + "\n", re.S
    )
    if found is None:
        return text.strip(), "", ""
    summary, examples, details = found.groups()
    return summary.strip(), examples.strip("\n"), details.strip()


def _group(group: Group) -> str:
    entries = [
        _entry(f"--{name}", entry, group.values[name].default)
        for name, entry in group.entries.items()
    ]
    return "\n".join([f"{group.title}:", *entries])


def _entry(name: str, entry: Entry, default: Any) -> str:
    """A flag with its description, and its default in brackets."""
    note = "(required)" if entry.required else default_note(default)
    text = wrapped(f"{entry.text} {note}".strip(), _COLUMN)
    start = f"  {name}={entry.form}" if entry.form else f"  {name}"
    if len(start) + 2 > _COLUMN:
        return f"{start}\n{text}"
    return start + text[len(start) :]


def wrapped(text: str, column: int) -> str:
    """A text in lines that begin at a column and fit the terminal."""
    return textwrap.fill(
        text,
        min(shutil.get_terminal_size().columns, 88),
        initial_indent=" " * column,
        subsequent_indent=" " * column,
        break_on_hyphens=False,
    )


def default_note(value: Any) -> str:
    """A default in brackets; where there is none, the description says what happens."""
    if value is None or value is False or value == []:
        return ""
    return f"[{','.join(value) if isinstance(value, list) else value}]"
