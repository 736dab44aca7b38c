"""How a dataset was made: tools, settings, and each subject's steps and transforms."""

from __future__ import annotations

import functools
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from samr_jax import __version__
from samr_jax.prepare.cohort.cache import Stored
from samr_jax.prepare.cohort.common_scale import CommonScale
from samr_jax.prepare.find.raw import Found
from samr_jax.prepare.options import Options
from samr_jax.prepare.subject.landmarks import PERCENTILES
from samr_jax.runtime.files import write_json
from samr_jax.runtime.processes import run_all

RECORDS = "subjects.json"

_TOOLS = (
    "antspyx",
    "dcm2niix",
    "intensity-normalization",
    "nibabel",
    "nilearn",
    "numpy",
    "scipy",
)


def provenance_of(
    found: Found,
    options: Options,
    scale: CommonScale,
    *,
    seed: int,
    split: Sequence[float],
) -> dict:
    """How a dataset was made, JSON-ready; it names no file and no patient."""
    standard = scale.standard and {
        "percentiles": list(PERCENTILES),
        "scales": {name: list(marks) for name, marks in scale.standard.scales.items()},
    }
    return {
        "made_by": f"samr_jax {__version__}",
        "python": platform.python_version(),
        "tools": {name: _version(name) for name in _TOOLS},
        "layout": found.layout,
        "seed": seed,
        "split": [float(share) for share in split],
        "standardise": options.steps.standardise,
        "standard": standard,
        "atlas": "template" if options.template else "mean",
        **options.describe(),
    }


def write_records(
    directory: Path, stored: Sequence[Stored], scale: CommonScale, **pool
) -> Path:
    """Writes ``subjects.json``: what was done to each subject, and how to undo it.

    A record holds the result of each step, the hash of every input file and the
    intensity landmarks. For every scan it holds the shape, the affine, and the 4 x 4
    matrix ``from_dataset`` from the dataset's millimetres to the scan's.
    """
    calls = [functools.partial(_record, item, scale) for item in stored]
    records = run_all(calls, label="records", **pool)
    path = directory / RECORDS
    write_json(path, {i.name: r for i, r in zip(stored, records, strict=True)})
    return path


def _record(item: Stored, scale: CommonScale) -> dict:
    marks = scale.marks(scale.cropped(item))
    landmarks = {name: values.tolist() for name, values in marks.items()}
    return {**item.record, "landmarks": landmarks}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
