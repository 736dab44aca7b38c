"""Pix2Pix on lesion mask and atlas.

python launch/main.py --config=configs/pix2pix.py         # the paper, GPU or TPU
python launch/main.py --config=configs/pix2pix.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import default
from samr_jax.variants import check_variant, paired_demo


def get_config(variant: str = "paper"):
    """``paper``: its authors' numbers. ``demo``: data and steps of CG-SAMR's demo."""
    check_variant(variant)
    config = default()
    config.name = config.method = "pix2pix"
    config.batch_size = 1
    config.epochs = 200
    config.constant_epochs = 100
    config.model.ngf = 64
    config.model.downsamplings = 8
    config.loss.feature_matching = 0.0
    config.loss.l1 = 100.0
    if variant == "demo":
        paired_demo(config)
        config.model.ngf = 16
        config.model.downsamplings = 8
        config.loss.l1 = 100.0
    return config
