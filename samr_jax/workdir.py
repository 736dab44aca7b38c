"""The work directory of a run and the config that made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import ml_collections

from samr_jax.config import CONTROL_FIELDS, default, flatten
from samr_jax.errors import InputError
from samr_jax.files import read_json, write_json

CONFIG = "config.json"


def claim(workdir: Path, config: ml_collections.ConfigDict, facts: Mapping) -> None:
    """Writes ``config.json``, or checks that it says the same.

    Args:
      workdir: the work directory.
      config: of this run.
      facts: what else must not change under a run, such as the dataset's hash.

    Raises:
      InputError: the directory was made by another config; names the first field.
    """
    path = workdir / CONFIG
    ours = {"config": flatten(config), "facts": dict(facts)}
    if not path.exists():
        write_json(path, ours)
        return
    theirs = read_json(path)
    for section in ("config", "facts"):
        old = theirs.get(section, {}) if isinstance(theirs, dict) else {}
        new = ours[section]
        for field in sorted(old.keys() | new.keys()):
            if field in CONTROL_FIELDS or old.get(field) == new.get(field):
                continue
            raise InputError(
                f"{path}: {field} is {old.get(field)!r}, this run has "
                f"{new.get(field)!r}; expected the same, or another --workdir"
            )


def read_config(workdir: Path) -> ml_collections.ConfigDict:
    """The config of a finished or running work directory."""
    path = workdir / CONFIG
    if not path.exists():
        raise InputError(f"{workdir}: no {CONFIG}, expected a work directory of a run")
    stored = read_json(path)
    config = default()
    try:
        with config.unlocked():
            for field, value in stored["config"].items():
                *parents, leaf = field.split(".")
                section = config
                for name in parents:
                    section = section[name]
                section[leaf] = tuple(value) if isinstance(value, list) else value
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: field missing or damaged ({error!r})") from error
    return config
