"""Shin et al.: Pix2Pix on lesion mask and the subject's own tissue maps.

WM, GM and CSF of the subject take the place of the atlas, so that the method is told
the anatomy of the images that it is compared with.
"""

from __future__ import annotations

from samr_jax.methods.base import Context, Method
from samr_jax.methods.pix2pix import VARIANTS, Settings, create_unet_gan

__all__ = ["VARIANTS", "Settings", "create"]


def create(settings: Settings, context: Context) -> Method:
    """Builds the method of Shin et al."""
    return create_unet_gan("Shin et al.", "tissue", settings, context)
