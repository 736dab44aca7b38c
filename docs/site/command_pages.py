"""All commands and their flags in Markdown, from the text of their --help."""

from __future__ import annotations

import importlib
import re
import textwrap
from types import ModuleType
from typing import Any

from samr_jax.commands import COMMANDS
from samr_jax.commands.frame.flags import Entry
from samr_jax.commands.frame.help_page import default_note, split_text


def page() -> str:
    """One section for each command."""
    return "\n\n".join(
        section(name, importlib.import_module(f"samr_jax.commands.{name}"))
        for name in COMMANDS
    )


def section(name: str, command: ModuleType) -> str:
    """The sentence, the examples, the flags and the details of a command."""
    summary, examples, details = split_text(command.__doc__ or "")
    parts = [f"## `samr-jax {name}`", prose(summary)]
    parts.append(f"```bash\n{textwrap.dedent(examples)}\n```")
    for group in command.FLAGS.groups:
        parts.append(f"**{group.title}**")
        for flag, entry in group.entries.items():
            parts.append(_flag(flag, entry, group.values[flag].default))
    return "\n\n".join([*parts, _details(details)])


def _flag(name: str, entry: Entry, default: Any) -> str:
    """A flag as an entry of a definition list."""
    form = f"--{name}={entry.form}" if entry.form else f"--{name}"
    note = "Required." if entry.required else _default(default_note(default))
    return f"`{form}`\n: {prose(f'{entry.text} {note}'.strip())}"


def _default(text: str) -> str:
    return f"Default: {text[1:-1]}." if text else ""


def _details(text: str) -> str:
    """Paragraphs, with indented ones as code."""
    blocks = re.split(r"\n\n", text)
    return "\n\n".join(
        f"```text\n{textwrap.dedent(block)}\n```"
        if block.startswith("    ")
        else prose(block)
        for block in blocks
    )


def prose(text: str) -> str:
    """A text without markup in Markdown, with flags as code."""
    pieces = re.split(r"(--\w+(?:\.\w+)*(?:=\S*\w)?)", " ".join(text.split()))
    return "".join(
        f"`{piece}`" if index % 2 else re.sub(r"([\\`*_<>\[\]|#])", r"\\\1", piece)
        for index, piece in enumerate(pieces)
    )
