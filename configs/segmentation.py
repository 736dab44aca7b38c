"""The U-Net that segments, as in the augmentation experiment (section IV-B).

python launch/main.py --config=configs/segmentation.py         # the paper, GPU or TPU
python launch/main.py --config=configs/segmentation.py:demo    # a minute, two CPU cores
"""

from samr_jax.config import default
from samr_jax.variants import check_variant, paired_demo, pretrained


def get_config(variant: str = "paper"):
    """``paper``: batch 16, 200 epochs. ``demo``: small, at a rate for few steps.

    ``pretrained`` judges the packaged weights.
    """
    check_variant(variant, "pretrained")
    config = default()
    config.name = config.method = "segmentation"
    config.batch_size = 16
    config.epochs = 200
    config.constant_epochs = 100
    if variant == "demo":
        paired_demo(config)
        config.learning_rate = 2e-2
    elif variant == "pretrained":
        pretrained(config)
        config.batch_size = 4
        config.epochs = 2
        config.constant_epochs = 1
    return config
