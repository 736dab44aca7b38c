"""SAMR, the predecessor of CG-SAMR: neither synthesis nor confidence map modules.

Each branch has one more residual block instead. The objective is equation (6) without
the confidence map loss.
"""

from __future__ import annotations

import dataclasses

from samr_jax.methods.base import Context, Method
from samr_jax.methods.cg_samr import create_samr
from samr_jax.methods.samr_settings import (
    SMALL_NETWORKS,
    SamrAblation,
    SamrLoss,
    SamrModel,
)
from samr_jax.methods.settings import PositiveFloat
from samr_jax.methods.variants import PAIRED_DEMO


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of SAMR; see `samr_jax.methods.cg_samr.Settings`.

    Attributes:
      model: networks.
      loss: terms of the objective.
      ablation: parts that can be left out.
      disc_lr_scale: the discriminators' learning rate, as a multiple of G's.
      segmenter_lr_scale: U's learning rate, as a multiple of G's.
    """

    model: SamrModel = SamrModel()
    loss: SamrLoss = SamrLoss()
    ablation: SamrAblation = SamrAblation()
    disc_lr_scale: PositiveFloat = 1.0
    segmenter_lr_scale: PositiveFloat = 1.0


VARIANTS = {
    "paper": {},
    "demo": PAIRED_DEMO | SMALL_NETWORKS | {"loss.l1": 50.0},
}


def create(settings: Settings, context: Context) -> Method:
    """Builds SAMR."""
    return create_samr("SAMR", settings, context, confidence=False, branch_blocks=1)
