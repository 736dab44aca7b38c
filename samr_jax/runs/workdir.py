"""The work directory of a run and the config that made it."""

from __future__ import annotations

import reprlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections

from samr_jax.config import CONTROL_FIELDS, flatten, unflatten
from samr_jax.data.atlas import write_average_tissue
from samr_jax.data.dataset import DESCRIPTION, Dataset
from samr_jax.data.lesion_ranges import write_lesion_ranges
from samr_jax.data.slices import RECORDS
from samr_jax.data.stacks import compute_lesion_ranges
from samr_jax.labels import TISSUES
from samr_jax.runs.older import upgraded
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json, replacing, write_json
from samr_jax.runtime.records import anything, each, fields, read_record

CONFIG = "config.json"


def claim(workdir: Path, config: ml_collections.ConfigDict, facts: Mapping) -> None:
    """Writes ``config.json``, or checks that it says the same.

    Args:
      workdir: the work directory.
      config: the config of this run.
      facts: further values that must not change during a run, such as the dataset's
        hash.

    Raises:
      InputError: the directory was made by another config; names the first field.
    """
    check_same(workdir, config, facts)
    path = workdir / CONFIG
    if not path.exists():
        write_json(path, {"config": flatten(config), "facts": dict(facts)})


def check_same(
    workdir: Path, config: ml_collections.ConfigDict, facts: Mapping | None = None
) -> None:
    """Checks that a run of this config may go on in a work directory.

    Args:
      workdir: the work directory; it may be new.
      config: the config of this run.
      facts: see `claim`; None if they are not known yet.

    Raises:
      InputError: the directory was made by another config; names the first field.
    """
    path = workdir / CONFIG
    if not path.exists():
        return
    stored = read_json(path)
    _check_fields(path, flatten(_recorded(path, stored)), flatten(config))
    if facts is not None:
        then = stored.get("facts") if isinstance(stored, dict) else None
        _check_fields(path, then if isinstance(then, dict) else {}, dict(facts))


def _check_fields(path: Path, old: Mapping, new: Mapping) -> None:
    for field in sorted(old.keys() | new.keys()):
        if field in CONTROL_FIELDS or old.get(field) == new.get(field):
            continue
        raise InputError(
            f"{path}: {ascii(field)[1:-1]} is {reprlib.repr(old.get(field))}, this "
            f"run has {new.get(field)!r}; expected the same, or another --workdir"
        )


def keep_description(dataset: Dataset, directory: Path) -> None:
    """Copies the dataset's description and atlas, without any subject's images.

    Average tissue maps and the ranges of the lesions, which datasets of version 0.1.0
    lack, are computed from their slices.
    """
    if (directory / DESCRIPTION).exists():
        return
    has_slices = (dataset.directory / RECORDS).is_dir()
    ranges = dataset.lesion_ranges
    if ranges is None and has_slices:
        ranges = compute_lesion_ranges(dataset)
    if ranges is not None:
        write_lesion_ranges(directory, ranges)
    names = [*dataset.sequences, "brain"]
    if dataset.keeps_average_tissue:
        names += TISSUES
    elif dataset.has_tissue and has_slices:
        write_average_tissue(directory / "atlas", dataset.average_tissue, dataset.grid)
    # Files are copied by name, since a foreign folder may hold links to anything. The
    # description comes last: where it exists, the atlas is complete.
    atlas = [f"atlas/{name}.nii.gz" for name in names]
    for name in (*atlas, DESCRIPTION):
        with replacing(directory / name) as partial:
            shutil.copyfile(dataset.directory / name, partial)


def read_config(workdir: Path) -> ml_collections.ConfigDict:
    """The config of a finished or running work directory.

    Raises:
      InputError: there is none, or not one that could be trained.
    """
    path = workdir / CONFIG
    if not path.exists():
        raise InputError(f"{workdir}: no {CONFIG}, expected a work directory of a run")
    return _recorded(path, read_json(path))


def read_facts(workdir: Path) -> dict[str, Any]:
    """The facts that a work directory was claimed with; see `claim`.

    Raises:
      InputError: the record is damaged.
    """
    return read_record(workdir / CONFIG, fields({"facts": each(anything)}))["facts"]


def _recorded(path: Path, stored: Any) -> ml_collections.ConfigDict:
    """The config of a record, which an older version may have written."""
    try:
        return unflatten(upgraded(stored["config"]))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise InputError(
            f"{path}: field missing or damaged ({error!r:.200})"
        ) from error
