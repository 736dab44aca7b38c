"""How a dataset was made: tools, settings, and each subject's steps and transforms."""

from __future__ import annotations

import functools
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from samr_jax import __version__
from samr_jax.prepare.cohort.cache import Stored
from samr_jax.prepare.cohort.common_scale import Finish
from samr_jax.prepare.cohort.parallel import run_all
from samr_jax.prepare.cohort.standardise import PERCENTILES
from samr_jax.prepare.find.raw import Found
from samr_jax.prepare.steps import Plan
from samr_jax.runtime.files import write_json

RECORDS = "subjects.json"

_TOOLS = ("antspyx", "intensity-normalization", "nibabel", "nilearn", "numpy", "scipy")


def account(
    found: Found,
    plan: Plan,
    finish: Finish,
    *,
    seed: int,
    split: Sequence[float],
) -> dict:
    """JSON-ready account of a dataset; it names no file and no patient."""
    standard = finish.standard and {
        "percentiles": list(PERCENTILES),
        "scales": {name: list(marks) for name, marks in finish.standard.scales.items()},
    }
    return {
        "made_by": f"samr_jax {__version__}",
        "python": platform.python_version(),
        "tools": {name: _version(name) for name in _TOOLS},
        "layout": found.layout,
        "seed": seed,
        "split": [float(share) for share in split],
        "standardise": plan.steps.standardise,
        "standard": standard,
        "atlas": "template" if plan.template else "mean",
        **plan.describe(),
    }


def write_records(
    directory: Path, stored: Sequence[Stored], finish: Finish, **pool
) -> Path:
    """Writes what was done to each subject, and how to undo it.

    Beside the steps' results, a record has for every scan its shape, its affine and the
    4 x 4 matrix ``from_dataset`` from the dataset's millimetres to the scan's, the
    intensity landmarks, and the hash of every input file.
    """
    calls = [functools.partial(_record, item, finish) for item in stored]
    records = run_all(calls, label="records", **pool)
    path = directory / RECORDS
    write_json(path, {i.name: r for i, r in zip(stored, records, strict=True)})
    return path


def _record(item: Stored, finish: Finish) -> dict:
    marks = finish.marks(finish.cropped(item))
    landmarks = {name: values.tolist() for name, values in marks.items()}
    return {**item.record, "landmarks": landmarks}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
