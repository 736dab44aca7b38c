"""SynSeg-Net on unpaired data.

python launch/main.py --config=configs/synseg.py         # the paper, GPU or TPU
python launch/main.py --config=configs/synseg.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import default
from samr_jax.variants import check_variant, unpaired_demo


def get_config(variant: str = "paper"):
    """``paper``: its authors' numbers. ``demo``: data and steps of UCG-SAMR's demo.

    Lesions are a few percent of a slice, hence their labels' weights.
    """
    check_variant(variant)
    config = default()
    config.name = config.method = "synseg"
    config.batch_size = 1
    config.epochs = 200
    config.constant_epochs = 100
    config.model.ngf = 64
    config.model.downsamplings = 2
    config.model.blocks = 9
    config.loss.gan = "lsgan"
    config.unpaired.cyc_1 = config.unpaired.cyc_2 = 10.0
    config.unpaired.image_pool = 50
    config.segmentation.dice = 0.0
    config.segmentation.label_weights = (1.0, 1.0, 5.0, 5.0, 5.0)
    if variant == "demo":
        unpaired_demo(config)
        config.model.ngf = 16
    return config
