"""The atlas of a prepared dataset: a template of the training subjects."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.resample import resample
from samr_jax.labels import LESION_LABELS
from samr_jax.prepare.cohort.cache import Stored
from samr_jax.prepare.cohort.common_scale import CommonScale, own_scale
from samr_jax.prepare.cohort.template import Member, build_template
from samr_jax.prepare.options import Options
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import MRSequence


def make_atlas(
    train: Sequence[Stored], scale: CommonScale, options: Options, work: Path, **pool
) -> np.ndarray:
    """Builds the template and resamples it to the dataset's grid.

    Args:
      train: the training subjects. Any other subject would leak into the evaluation.
      scale: the common slices and intensity scale.
      options: options with a working grid.
      work: a folder that all workers see.
      **pool: of `samr_jax.runtime.processes.run_all`.

    Returns:
      ``(Z, H, W, S)`` float32 in the dataset's units.
    """
    working: Any = options.working
    scales = _scales(train, scale)
    middle = np.median(scales, axis=0)
    members = [
        functools.partial(load_member, item, scale, options, middle / own)
        for item, own in zip(train, scales, strict=True)
    ]
    scratch = work / "template"
    scratch.mkdir(parents=True, exist_ok=True)
    guides = [
        i for i, name in enumerate(options.sequences) if MRSequence.named(name).anatomic
    ]
    try:
        template = build_template(
            members, guides=guides, grid=working, scratch=scratch, **pool
        )
    except OSError as error:
        raise InputError(f"{scratch}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return np.stack(
        [
            resample(np.transpose(channel, (2, 1, 0)), working.affine, scale.grid)
            for channel in np.moveaxis(template, -1, 0)
        ],
        axis=-1,
    )


def load_member(
    item: Stored, scale: CommonScale, options: Options, factor: np.ndarray
) -> Member:
    """A training subject on the working grid, in the dataset's units."""
    subject = item.load()
    working: Any = options.working
    if scale.standard is None:
        images = item.working() * factor.astype(np.float32)
    else:
        marks = scale.marks(scale.cropped(item))
        images = scale.rescaled(item.working(), marks)
    lesion = np.isin(subject.labels, LESION_LABELS)
    voxels = np.transpose(lesion, (2, 1, 0))
    share = resample(voxels, options.grid.affine, working)
    return Member(images, (1 - share).astype(np.float32))


def _scales(train: Sequence[Stored], scale: CommonScale) -> np.ndarray:
    """Every scan's own intensity scale ``(N, S)``; 1 if there is a standard scale.

    Without a standard scale the unit of the dataset is the unit of the median scan, as
    in the dataset's windows.
    """
    if scale.standard is not None:
        return np.ones((len(train), len(scale.sequences)))
    return np.array(
        [
            [
                1.0
                if not MRSequence.named(name).anatomic
                else own_scale(subject, channel, name)
                for channel, name in enumerate(scale.sequences)
            ]
            for subject in map(scale.cropped, train)
        ]
    )
