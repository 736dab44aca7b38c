"""Aligns a subject's scans with one another and with the template."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from samr_jax.data.nifti import Volume, same_grid
from samr_jax.data.resample import resample_like
from samr_jax.labels import LESION_LABELS
from samr_jax.prepare.options import Options
from samr_jax.prepare.subject.failure import step
from samr_jax.prepare.subject.register import is_aligned, register_rigid
from samr_jax.prepare.subject.scans import ANCHORS, Scans
from samr_jax.prepare.subject.strip import (
    SMALLEST_ML,
    Brain,
    check_brain,
    has_skull,
    strip,
)
from samr_jax.prepare.subject.to_template import register_to_template
from samr_jax.runtime.errors import InputError


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How the scans of one subject lie; matrices map RAS+ to RAS+ millimetres.

    Attributes:
      space: 4 x 4, from the dataset's space to that of the anchor.
      to_scan: sequence -> 4 x 4, from the dataset's space to that of the scan.
      masks: sequence -> boolean brain ``(X, Y, Z)`` on that scan's voxels.
      registered: sequences that had to be moved.
      brain: the brain that skull stripping found; None if the subject came stripped or
        with a mask.
    """

    space: np.ndarray
    to_scan: Mapping[str, np.ndarray]
    masks: Mapping[str, np.ndarray]
    registered: tuple[str, ...]
    brain: Brain | None

    def record(self) -> dict:
        """What was done, JSON-ready."""
        return {
            "registered": list(self.registered),
            "stripped": self.brain is not None,
            "strip": self.brain and {"method": self.brain.method, **self.brain.quality},
        }


def align_subject(scans: Scans, options: Options) -> Alignment:
    """Registers the sequences, finds the brain, and aligns it with the template.

    Args:
      scans: the subject.
      options: the options that all subjects share.

    Raises:
      SubjectFailed: a step has failed.
    """
    with step("registration", scans.images):
        motions, registered = _register(scans, options.steps.register)
    anchor = scans.images[scans.anchor]
    with step("skull stripping", {scans.anchor: anchor}):
        lesion = _lesion_on_anchor(scans, motions)
        found = _stripped(scans, lesion, options)
        brain = _known_brain(scans, options) if found is None else found.mask
    space = np.eye(4)
    if options.align:
        with step("alignment with the template", {scans.anchor: anchor}):
            bare = dataclasses.replace(anchor, data=np.where(brain, anchor.data, 0))
            space = register_to_template(bare)
    # A resected or necrotic part may be 0 in all images and still belongs to the brain.
    brain = brain | lesion
    return Alignment(
        space=space,
        to_scan={key: motion @ space for key, motion in motions.items()},
        masks={key: _mask_on(scans, key, brain, motions[key]) for key in motions},
        registered=tuple(registered),
        brain=found,
    )


def _stripped(scans: Scans, lesion: np.ndarray, options: Options) -> Brain | None:
    """The brain by skull stripping; None if the subject needs no stripping."""
    anchor, choice = scans.images[scans.anchor], options.steps.strip
    if scans.brain is not None or choice == "off":
        return None
    if choice == "auto" and not has_skull(anchor):
        return None
    t1 = scans.anchor in ANCHORS
    return strip(anchor, method=options.stripper, t1=t1, lesion=lesion)


def _known_brain(scans: Scans, options: Options) -> np.ndarray:
    """The user's mask, or the brain of a subject that comes stripped."""
    brain = _not_zero(scans) if scans.brain is None else scans.brain
    if options.align:
        anchor = scans.images[scans.anchor]
        check_brain(brain, anchor, t1=False, smallest_ml=SMALLEST_ML)
    return brain


def _register(scans: Scans, choice: str) -> tuple[dict[str, np.ndarray], list[str]]:
    """Sequence -> motion from the anchor's millimetres, the moved sequences."""
    anchor = scans.images[scans.anchor]
    motions, moved = {}, []
    for key, volume in scans.images.items():
        motions[key] = np.eye(4)
        partner = scans.companions.get(key, volume)
        # A map alone shows too little anatomy: its header has to be right.
        blind = key not in scans.anatomic and key not in scans.companions
        if key == scans.anchor or blind or choice == "off":
            continue
        together = same_grid(anchor, partner) and is_aligned(anchor, partner)
        if choice == "on" or not together:
            motions[key] = register_rigid(anchor, partner)
            moved.append(key)
    return motions, moved


def _not_zero(scans: Scans) -> np.ndarray:
    """The brain of a stripped subject: where any anatomic scan is not 0."""
    anchor = scans.images[scans.anchor]
    brain = anchor.data != 0
    for key in scans.anatomic:
        if same_grid(anchor, scans.images[key]):
            brain = brain | (scans.images[key].data != 0)
    if has_skull(Volume(brain, anchor.affine, anchor.source)):
        raise InputError(
            f"{anchor.source}: more voxels are not zero than a brain holds, expected a "
            "skull-stripped scan, a brain mask, or --strip=auto"
        )
    return brain


def _lesion_on_anchor(scans: Scans, motions: Mapping[str, np.ndarray]) -> np.ndarray:
    home, anchor = scans.images[scans.labels_on], scans.images[scans.anchor]
    lesion = np.isin(scans.labels, LESION_LABELS)
    return _carried(lesion, home, anchor, motions[scans.labels_on])


def _mask_on(
    scans: Scans, key: str, brain: np.ndarray, motion: np.ndarray
) -> np.ndarray:
    anchor = scans.images[scans.anchor]
    return _carried(brain, anchor, scans.images[key], np.linalg.inv(motion))


def _carried(
    mask: np.ndarray, source: Volume, target: Volume, transform: np.ndarray
) -> np.ndarray:
    """A mask on another scan's voxels; the same array if nothing changes."""
    if same_grid(source, target) and np.array_equal(transform, np.eye(4)):
        return mask
    share = resample_like(
        mask, source.affine, target.data.shape, target.affine, transform=transform
    )
    return share > 0.5
