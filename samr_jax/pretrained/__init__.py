"""The weights that come with the package: CG-SAMR, trained on simulated brains.

What they are good for, and what not, is in ``MODEL_CARD.md`` beside this file; how good
they are in ``cg_samr/scores.md``.
"""

from samr_jax.pretrained.load import example, load_pretrained

__all__ = ["example", "load_pretrained"]
