"""UNIT, with weight sharing, on unpaired data.

python launch/main.py --config=configs/unit.py         # the paper, GPU or TPU
python launch/main.py --config=configs/unit.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import default
from samr_jax.variants import check_variant, unpaired_demo


def get_config(variant: str = "paper"):
    """``paper``: its authors' numbers. ``demo``: data and steps of UCG-SAMR's demo.

    Its authors count steps, a million of one instance; the epochs are UCG-SAMR's.
    """
    check_variant(variant)
    config = default()
    config.name = config.method = "unit"
    config.batch_size = 1
    config.epochs = 800
    config.constant_epochs = 400
    config.learning_rate = 1e-4
    config.model.ngf = 64
    config.model.downsamplings = 2
    config.model.blocks = 4
    config.unpaired.gan_1 = config.unpaired.gan_2 = 10.0
    config.unpaired.recon_1 = config.unpaired.recon_2 = 100.0
    config.unpaired.cyc_1 = config.unpaired.cyc_2 = 100.0
    if variant == "demo":
        unpaired_demo(config)
        config.model.ngf = 16
        config.unpaired.recon_1 = config.unpaired.cyc_1 = 250.0
        config.unpaired.recon_2 = config.unpaired.cyc_2 = 100.0
    return config
