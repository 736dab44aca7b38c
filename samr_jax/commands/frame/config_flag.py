"""The flag ``--config``: a config file or the name of a packaged config.

Any field can be overridden: ``--config.batch_size=4``. A config file is Python and is
executed.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from samr_jax.commands.frame.flags import Entry, Group
from samr_jax.runtime.errors import InputError


def define_config(
    group: Group, text: str, *, required: bool = False
) -> flags.FlagHolder[Any]:
    """Declares ``--config`` in a group of flags; its value is a `ConfigDict` or None.

    Args:
      group: the group.
      text: description for ``--help``.
      required: whether the flag has to be given.
    """
    group.entries["config"] = Entry("NAME[:VARIANT]|FILE", text, required)
    holder = config_flags.DEFINE_config_file(
        "config", None, text, flag_values=group.values
    )
    group.values["config"].parser = _Parser()
    return holder


class _Parser(flags.ArgumentParser):
    """Reads a config as `read_config` does."""

    def parse(self, argument: str) -> ml_collections.ConfigDict:
        return read_config(argument).lock()


def read_config(text: str) -> ml_collections.ConfigDict:
    """The config of a name or a file.

    Args:
      text: a name of `samr_jax.config.named_config` or the path of a Python file with a
        function ``get_config``; a variant may follow after a colon.

    Raises:
      InputError: there is no such name, file or variant, or the file fails.
    """
    path, _, variant = text.partition(":")
    if path.endswith(".py") or Path(path).is_file():
        return _read_file(path, variant)
    from samr_jax.config import config_names, named_config

    if path not in config_names():
        raise InputError(
            f"no such config, expected a file that ends in .py or one of "
            f"{', '.join(config_names())}"
        )
    return named_config(path, variant or "paper")


def unknown_override(arguments: Sequence[str]) -> str | None:
    """One line on the first ``--config.FIELD`` that the config does not have."""
    given = dict(re.findall(r"^--(config[\w.]*)=(.*)$", "\n".join(arguments), re.M))
    try:
        config = read_config(given.pop("config", ""))
    except ValueError:  # What is wrong with the file or name is reported instead.
        return None
    for override in given:
        *sections, leaf = override.split(".")[1:]
        section = config
        for name in sections:
            section = section.get(name, {})
            if not isinstance(section, Mapping | ml_collections.ConfigDict):
                section = {}  # A value has no fields.
        if leaf not in section:
            field, known = override.partition(".")[2], ", ".join(section or config)
            method = config.get("method")
            return (
                f"flags: method {method!r} has no field {field}, expected one of "
                f"{known}"
            )
    return None


def _read_file(path: str, variant: str) -> ml_collections.ConfigDict:
    if not Path(path).is_file():
        raise InputError("no such file, expected a config file")
    try:
        get_config = runpy.run_path(path)["get_config"]
        return get_config(variant) if variant else get_config()
    except ValueError:
        raise
    # A config file may raise any exception.
    except Exception as error:
        raise InputError(
            f"the file fails ({type(error).__name__}: {error}), expected a function "
            "get_config"
        ) from error
