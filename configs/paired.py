"""CG-SAMR on paired data: the main job.

python launch/main.py --config=configs/paired.py         # the paper, GPU or TPU
python launch/main.py --config=configs/paired.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import default


def get_config(variant: str = "paper"):
    """``paper``: section IV-B, 256 x 256. ``demo``: two orders of magnitude smaller."""
    config = default()
    config.name = "paired"
    if variant == "demo":
        config.name = "paired-demo"
        config.data.size = 64
        config.data.subjects = 24
        config.data.slices = 8
        config.model.ngf = 8
        config.model.downsamplings = 3
        config.model.blocks = 4
        config.model.ndf = 16
        config.model.unet_channels = 8
        config.model.unet_depth = 3
        config.epochs = 60
        config.constant_epochs = 30
        config.log_steps = 50
        config.sample_epochs = 10.0
        config.eval_epochs = 20.0
    elif variant != "paper":
        raise ValueError(f"variant {variant!r}, expected 'paper' or 'demo'")
    return config
