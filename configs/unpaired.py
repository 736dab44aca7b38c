"""UCG-SAMR on unpaired data: masks of some subjects, images of others.

python launch/main.py --config=configs/unpaired.py         # the paper, GPU or TPU
python launch/main.py --config=configs/unpaired.py:demo    # minutes, two CPU cores
"""

from samr_jax.config import default


def get_config(variant: str = "paper"):
    """``paper``: section IV-B, batch 1. ``demo``: two orders of magnitude smaller.

    Beside its size, the demo differs from the paper in a higher learning rate and in
    CycleGAN's weight of 10 on everything that is compared pixel by pixel: it has
    minutes to learn what goes where.
    """
    config = default()
    config.name = "unpaired"
    config.method = "ucg_samr"
    config.batch_size = 1
    config.epochs = 800
    config.constant_epochs = 400
    if variant == "demo":
        config.name = "unpaired-demo"
        config.data.size = 64
        config.data.subjects = 24
        config.data.slices = 8
        config.batch_size = 2
        config.model.ngf = 8
        config.model.downsamplings = 2
        config.model.blocks = 4
        config.model.ndf = 16
        config.model.disc_layers = 2
        config.unpaired.recon_1 = config.unpaired.recon_2 = 10.0
        config.unpaired.cyc_1 = config.unpaired.cyc_2 = 10.0
        config.learning_rate = 4e-4
        config.epochs = 30
        config.constant_epochs = 15
        config.log_steps = 50
        config.sample_epochs = 5.0
        config.eval_epochs = 10.0
        config.checkpoint_epochs = 5.0
        config.eval_batch_size = 8
    elif variant != "paper":
        raise ValueError(f"variant {variant!r}, expected 'paper' or 'demo'")
    return config
