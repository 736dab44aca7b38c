"""The weights that come with the package: CG-SAMR, trained on simulated brains.

``MODEL_CARD.md`` in this folder says what they can and cannot be used for, and
``anatomy/scores.md`` has their scores.
"""

from samr_jax.pretrained.load import example, load_pretrained

__all__ = ["example", "load_pretrained"]
