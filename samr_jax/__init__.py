"""Confidence-guided synthesis of multi-contrast brain MR images from lesion masks.

    import samr_jax
    mask, atlas = samr_jax.example()
    out = samr_jax.synthesize(mask, atlas)      # checkpoint=RUN: a run of your own
    out.images      # [..., H, W, S] in [-1, 1]
    samr_jax.synthesize_file("mask.nii.gz", "output")    # NIfTI in, NIfTI out

Research software, not for clinical use.
"""

import importlib

__version__ = "0.1.0"

_LAZY = {
    "example": "samr_jax.pretrained",
    "load_model": "samr_jax.runs.model",
    "synthesize": "samr_jax.inference.api",
    "synthesize_file": "samr_jax.inference.synthesizer",
}
"""Public name -> module; JAX is imported when one is first used."""

__all__ = ["__version__", *_LAZY]


def __getattr__(name: str):
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
