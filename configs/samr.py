"""SAMR, the predecessor: neither synthesis nor confidence map modules.

python launch/main.py --config=configs/samr.py         # the paper, GPU or TPU
python launch/main.py --config=configs/samr.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import default
from samr_jax.variants import check_variant, paired_demo


def get_config(variant: str = "paper"):
    """``paper``: as CG-SAMR, section IV-B. ``demo``: as its demo."""
    check_variant(variant)
    config = default()
    config.name = config.method = "samr"
    if variant == "demo":
        paired_demo(config)
    return config
