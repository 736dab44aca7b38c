"""CycleGAN on unpaired data.

python launch/main.py --config=configs/cyclegan.py         # the paper, GPU or TPU
python launch/main.py --config=configs/cyclegan.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import default
from samr_jax.variants import check_variant, unpaired_demo


def get_config(variant: str = "paper"):
    """``paper``: its authors' numbers. ``demo``: data and steps of UCG-SAMR's demo."""
    check_variant(variant)
    config = default()
    config.name = config.method = "cyclegan"
    config.batch_size = 1
    config.epochs = 200
    config.constant_epochs = 100
    config.model.ngf = 64
    config.model.downsamplings = 2
    config.model.blocks = 9
    config.loss.gan = "lsgan"
    config.unpaired.cyc_1 = config.unpaired.cyc_2 = 10.0
    config.unpaired.image_pool = 50
    if variant == "demo":
        unpaired_demo(config)
        config.model.ngf = 16
    return config
