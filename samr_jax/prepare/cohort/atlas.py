"""The atlas of a prepared dataset: a template of the training subjects."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from samr_jax.data.resample import resample
from samr_jax.labels import LESION_LABELS
from samr_jax.prepare.cohort.cache import Stored
from samr_jax.prepare.cohort.common_scale import Finish, own_scale
from samr_jax.prepare.cohort.template import Member, build_template
from samr_jax.prepare.steps import Plan
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import MRSequence


def make_atlas(
    train: Sequence[Stored], finish: Finish, plan: Plan, work: Path, **pool
) -> np.ndarray:
    """Builds the template and brings it onto the dataset's grid.

    Args:
      train: the training subjects, and no others: anything else would leak.
      finish: the intensity scale.
      plan: with a working grid.
      work: folder that all workers see.
      **pool: of `samr_jax.prepare.cohort.parallel.run_all`.

    Returns:
      ``(Z, H, W, S)`` float32 in the dataset's units.
    """
    scales = _scales(train, finish)
    middle = np.median(scales, axis=0)
    members = [
        functools.partial(load_member, item, finish, plan, middle / own)
        for item, own in zip(train, scales, strict=True)
    ]
    scratch = work / "template"
    scratch.mkdir(parents=True, exist_ok=True)
    guides = [
        i for i, name in enumerate(plan.sequences) if MRSequence.named(name).anatomic
    ]
    try:
        template = build_template(
            members, guides=guides, grid=plan.working, scratch=scratch, **pool
        )
    except OSError as error:
        raise InputError(f"{scratch}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return np.stack(
        [
            resample(np.transpose(channel, (2, 1, 0)), plan.working.affine, finish.grid)
            for channel in np.moveaxis(template, -1, 0)
        ],
        axis=-1,
    )


def load_member(item: Stored, finish: Finish, plan: Plan, factor: np.ndarray) -> Member:
    """A training subject on the working grid, in the dataset's units."""
    subject = item.load()
    if finish.standard is None:
        images = item.working() * factor.astype(np.float32)
    else:
        marks = finish.marks(finish.cropped(item))
        images = finish.rescaled(item.working(), marks)
    lesion = np.isin(subject.labels, LESION_LABELS)
    voxels = np.transpose(lesion, (2, 1, 0))
    share = resample(voxels, plan.grid.affine, plan.working)
    return Member(images, (1 - share).astype(np.float32))


def _scales(train: Sequence[Stored], finish: Finish) -> np.ndarray:
    """Every scan's own intensity scale ``(N, S)``, 1 where there is a common one.

    Without a standard scale a dataset's unit is that of the median scan, as the
    dataset's windows have it.
    """
    if finish.standard is not None:
        return np.ones((len(train), len(finish.sequences)))
    return np.array(
        [
            [
                own_scale(subject, channel, name)
                if MRSequence.named(name).anatomic
                else 1.0
                for channel, name in enumerate(finish.sequences)
            ]
            for subject in map(finish.cropped, train)
        ]
    )
