"""Pix2PixHD, with its local enhancer, on lesion mask and atlas.

python launch/main.py --config=configs/pix2pixhd.py         # the paper, GPU or TPU
python launch/main.py --config=configs/pix2pixhd.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import default
from samr_jax.variants import check_variant, paired_demo


def get_config(variant: str = "paper"):
    """``paper``: its authors' numbers. ``demo``: data and steps of CG-SAMR's demo.

    Like CG-SAMR, it has a pixel loss in the demo only.
    """
    check_variant(variant)
    config = default()
    config.name = config.method = "pix2pixhd"
    config.batch_size = 1
    config.epochs = 200
    config.constant_epochs = 100
    config.model.ngf = 32
    config.model.blocks = 9
    config.loss.gan = "lsgan"
    config.loss.feature_matching = 10.0
    config.loss.feature_distance = "l1"
    if variant == "demo":
        paired_demo(config)
        config.model.ngf = 8
    return config
