"""The small variants of the configurations: what differs from the paper, and why."""

from __future__ import annotations

import ml_collections


def paired_demo(config: ml_collections.ConfigDict) -> None:
    """Makes a demo of a method on paired data: minutes on two CPU cores.

    All methods get the same data, steps, learning rate and pixel loss, which makes up
    for the paper's days of training. A config file scales the networks that this leaves
    too large.
    """
    _small(config)
    config.batch_size = 8
    config.model.ngf = 12
    config.model.ndf = 8
    config.loss.l1 = 50.0
    config.learning_rate = 7e-4
    config.epochs = 24
    config.constant_epochs = 12
    config.sample_epochs = 8.0
    config.eval_epochs = 12.0
    config.checkpoint_epochs = 4.0


def unpaired_demo(config: ml_collections.ConfigDict) -> None:
    """The same for unpaired data.

    In place of a pixel loss it has more weight on what has a target, a distance of
    domain 1 that learns small lesions, and what keeps D1 and D2 useful: least squares,
    instance noise, and a learning rate four times the generator's. At one rate for both
    it hid lesions in fine patterns faster than D2 learned to see them.
    """
    _small(config)
    config.batch_size = 2
    config.model.ngf = 12
    config.model.ndf = 16
    config.loss.gan = "lsgan"
    config.unpaired.distance_1 = "cross_entropy"
    config.unpaired.recon_1 = config.unpaired.cyc_1 = 25.0
    config.unpaired.recon_2 = config.unpaired.cyc_2 = 10.0
    config.unpaired.instance_noise = 0.1
    config.learning_rate = 3e-4
    config.disc_rate = 4.0
    config.epochs = 20
    config.constant_epochs = 10
    config.sample_epochs = 5.0
    config.eval_epochs = 10.0
    config.checkpoint_epochs = 5.0


def pretrained(config: ml_collections.ConfigDict) -> None:
    """Makes a method the size of the weights that come with the package.

    The paper's slices and data. Networks that learn on two CPU cores in two hours: thin
    borders of lesions are learned within hundreds of steps at 1 down-sampling, not at
    4. A pixel loss that outweighs the others: the weights are to be closer to the truth
    than an atlas with painted lesions, more than lifelike. Without weights of its
    labels it hardly sees lesions, 3 % of the pixels. U learns from real images alone,
    faster than G and more from what is rare, so that synthesized lesions have to look
    like real ones to be found. Confidence maps hold their own against the pixel loss.
    """
    config.name += "-pretrained"
    config.batch_size = 2
    config.model.downsamplings = 1
    config.model.ndf = 8
    config.model.unet_channels = 8
    config.loss.l1 = 1000.0
    config.loss.l1_label_weights = (1.0, 1.0, 8.0, 15.0, 15.0)
    config.loss.confidence = 200.0
    config.loss.shape_consistency = 150.0
    config.loss.shape_cross_entropy = 1.0
    config.loss.segmenter_learns_from_fake = False
    config.segmentation.label_weights = (1.0, 1.0, 3.0, 10.0, 10.0)
    config.learning_rate = 1e-3
    config.segmenter_rate = 10.0
    config.epochs = 3
    config.constant_epochs = 1
    config.log_steps = 20
    config.sample_epochs = 0.2
    config.eval_epochs = 1.0
    config.checkpoint_epochs = 0.1
    config.eval_batch_size = 4


def _small(config: ml_collections.ConfigDict) -> None:
    config.name += "-demo"
    config.data.size = 64
    config.data.subjects = 24
    config.data.slices = 8
    config.model.downsamplings = 2
    config.model.blocks = 4
    config.model.disc_layers = 2
    config.model.unet_channels = 8
    config.model.unet_depth = 3
    config.log_steps = 50
    config.eval_batch_size = 8


def check_variant(variant: str, *further: str) -> None:
    """A config file has ``paper``, ``demo`` and what else it names."""
    known = ("paper", "demo", *further)
    if variant not in known:
        raise ValueError(f"variant {variant!r}, expected one of {', '.join(known)}")
