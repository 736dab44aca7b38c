"""CG-SAMR on paired data: the main job.

python launch/main.py --config=configs/paired.py         # the paper, GPU or TPU
python launch/main.py --config=configs/paired.py:demo    # minutes, two CPU cores
python launch/pretrain.py                                # the packaged weights
"""

from samr_jax.config import default
from samr_jax.variants import check_variant, paired_demo, pretrained


def get_config(variant: str = "paper"):
    """``paper``: section IV-B, 256 x 256. ``demo``: two orders of magnitude smaller.

    Beside its size, the demo differs from the paper in a pixel loss and a higher
    learning rate: it has minutes to learn what a brain looks like, not days.
    ``pretrained``, of the packaged weights, has the paper's slices and two hours.
    """
    check_variant(variant, "pretrained")
    config = default()
    config.name = "paired"
    if variant == "demo":
        paired_demo(config)
    elif variant == "pretrained":
        pretrained(config)
        # Two slices say too little of cavities for running statistics of them.
        config.model.norm = "affine_instance"
    return config
