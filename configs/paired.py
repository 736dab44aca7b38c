"""CG-SAMR on paired data: the main job.

python launch/main.py --config=configs/paired.py         # the paper, GPU or TPU
python launch/main.py --config=configs/paired.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import check_variant, default, paired_demo


def get_config(variant: str = "paper"):
    """``paper``: section IV-B, 256 x 256. ``demo``: two orders of magnitude smaller.

    Beside its size, the demo differs from the paper in a pixel loss and a higher
    learning rate: it has minutes to learn what a brain looks like, not days.
    """
    check_variant(variant)
    config = default()
    config.name = "paired"
    if variant == "demo":
        paired_demo(config)
    return config
