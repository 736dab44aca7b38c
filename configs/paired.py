"""CG-SAMR on paired data: the main job.

python launch/main.py --config=configs/paired.py         # the paper, GPU or TPU
python launch/main.py --config=configs/paired.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import default


def get_config(variant: str = "paper"):
    """``paper``: section IV-B, 256 x 256. ``demo``: two orders of magnitude smaller.

    Beside its size, the demo differs from the paper in a pixel loss and a higher
    learning rate: it has minutes to learn what a brain looks like, not days.
    """
    config = default()
    config.name = "paired"
    if variant == "demo":
        config.name = "paired-demo"
        config.data.size = 64
        config.data.subjects = 24
        config.data.slices = 8
        config.model.ngf = 12
        config.model.downsamplings = 2
        config.model.blocks = 4
        config.model.ndf = 8
        config.model.disc_layers = 2
        config.model.unet_channels = 8
        config.model.unet_depth = 3
        config.loss.l1 = 50.0
        config.learning_rate = 7e-4
        config.epochs = 24
        config.constant_epochs = 12
        config.log_steps = 50
        config.sample_epochs = 8.0
        config.eval_epochs = 12.0
        config.checkpoint_epochs = 4.0
        config.eval_batch_size = 8
    elif variant != "paper":
        raise ValueError(f"variant {variant!r}, expected 'paper' or 'demo'")
    return config
