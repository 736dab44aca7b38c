"""Records of runs that an older version has made, in today's names.

A record is a config's leaves by their dotted names. Fields that did not exist yet get
today's defaults when the record is read (`samr_jax.config.unflatten`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samr_jax.config import default, flatten

RENAMED = {
    "disc_rate": "disc_lr_scale",
    "segmenter_rate": "segmenter_lr_scale",
    "unpaired.same_subjects": "data.same_subjects",
    "unpaired.recon_1": "loss.recon_1",
    "unpaired.recon_2": "loss.recon_2",
    "unpaired.recon_cm": "loss.recon_cm",
    "unpaired.gan_1": "loss.gan_1",
    "unpaired.gan_2": "loss.gan_2",
    "unpaired.cyc_1": "loss.cyc_1",
    "unpaired.cyc_2": "loss.cyc_2",
    "unpaired.cyc_cm": "loss.cyc_cm",
    "unpaired.kl": "loss.kl",
    "unpaired.distance_1": "loss.distance_1",
    "unpaired.instance_noise": "loss.instance_noise",
    "unpaired.image_pool": "loss.image_pool",
    "segmentation.cross_entropy": "loss.cross_entropy",
    "segmentation.dice": "loss.dice",
    "segmentation.label_weights": "loss.segmenter_label_weights",
}
"""Fields of version 0.1.0 and their names today."""

SHARED = ("model.", "loss.", "ablation.", "disc_lr_scale", "segmenter_lr_scale")
"""Where version 0.1.0 had the fields of all methods in every config. A field of these
that the method lacks had no effect on it."""

METHOD_STATE = "method_state"
OLDER_METHOD_STATE = "carry"
"""The method's own part of a training state, and its name in version 0.1.0."""


def upgraded(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """A record's leaves in today's names, without fields that had no effect.

    Args:
      leaves: of a record of any version.
    """
    if not leaves.keys() & RENAMED.keys():
        return dict(leaves)
    known = flatten(default(leaves["method"]))
    renamed = {RENAMED.get(field, field): value for field, value in leaves.items()}
    return {
        field: value
        for field, value in renamed.items()
        if field in known or not field.startswith(SHARED)
    }


def upgraded_state(state: Mapping[str, Any], like: Any = None) -> dict[str, Any]:
    """A stored training state in today's names.

    Args:
      state: nested dictionaries, as a checkpoint or a package holds them.
      like: the method's state today, where it is known. Entries that it lacks are left
        out of an older state: version 0.1.0 gave every paired method a λ_cm.
    """
    state = dict(state)
    if OLDER_METHOD_STATE in state:
        entries = state.pop(OLDER_METHOD_STATE) or {}
        if like is not None:
            entries = {name: entries[name] for name in entries if name in like}
        state[METHOD_STATE] = entries
    return state
