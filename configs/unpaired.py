"""UCG-SAMR on unpaired data: masks of some subjects, images of others.

python launch/main.py --config=configs/unpaired.py         # the paper, GPU or TPU
python launch/main.py --config=configs/unpaired.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import default
from samr_jax.variants import check_variant, unpaired_demo


def get_config(variant: str = "paper"):
    """``paper``: section IV-B, batch 1. ``demo``: see `unpaired_demo`."""
    check_variant(variant)
    config = default()
    config.name = "unpaired"
    config.method = "ucg_samr"
    config.batch_size = 1
    config.epochs = 800
    config.constant_epochs = 400
    if variant == "demo":
        unpaired_demo(config)
    return config
