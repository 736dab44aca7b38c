"""The default configuration: every number of the paper, one place for each.

Config files in ``configs/`` list only what differs. A field that is not here is a
typing error and stops the run with one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_collections

from samr_jax.labels import LABELS
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import SEQUENCES


def default() -> ml_collections.ConfigDict:
    """CG-SAMR as in the paper (sections III-D and IV-B)."""
    config = ml_collections.ConfigDict()
    config.name = "paired"
    config.method = "cg_samr"
    config.seed = 0

    config.batch_size = 8
    config.accumulation = 1  # parts of a batch, one after the other, to save memory;
    # batch norm then sees a part at a time
    config.steps = 0  # optimizer steps; 0: as many as the epochs say
    config.epochs = 500
    config.constant_epochs = 250  # then linear to 0
    config.learning_rate = 2e-4
    config.disc_rate = 1.0  # D's learning rate, as a multiple of G's (Heusel 2017)
    config.segmenter_rate = 1.0  # U's, likewise
    config.clip_norm = 0.0  # the most of a side's gradient norm; 0: any
    config.adam_b1 = 0.5
    config.adam_b2 = 0.999
    config.ema_decay = 0.0  # of the generator's weights; 0: none
    config.dtype = "float32"  # or "bfloat16": of activations, never of parameters

    config.data = data = ml_collections.ConfigDict()
    data.dir = ""  # a prepared dataset; "": the embedded phantom
    data.size = 256  # of the phantom's slices
    data.subjects = 100
    data.slices = 15
    data.sequences = SEQUENCES  # of the phantom; a prepared dataset knows its own
    data.seed = 0
    data.mirrored = False  # train on every slice's mirror image, too

    config.model = model = ml_collections.ConfigDict()
    model.ngf = 16
    model.downsamplings = 4
    model.blocks = 6
    model.heads = "per_branch"  # "shared": as in the released code
    model.norm = "batch"  # of G; "affine_instance": the same in training and after it,
    # for batches that do not show what is rare
    model.rematerialise = False
    model.ndf = 64
    model.disc_layers = 3
    model.unet = "ronneberger"  # "pix2pix": as in the released code
    model.unet_channels = 64
    model.unet_depth = 4

    config.loss = loss = ml_collections.ConfigDict()
    loss.gan = "bce"  # "lsgan": as in the released code
    loss.feature_matching = 5.0  # lambda_1 of equation (6)
    loss.feature_distance = "l2"  # or "l1"
    loss.shape_consistency = 1.0  # lambda_2
    loss.shape_cross_entropy = 0.0  # beside the Dice loss of equation (4)
    loss.shape_label_weights = (1.0,) * len(LABELS)  # in that, of synthesized images
    loss.segmenter_learns_from_fake = True  # or U from real images alone
    loss.confidence = 1.0  # lambda_3
    loss.lambda_cm = 0.1  # of equation (1), until ...
    loss.confidence_threshold = 0.7  # ... an epoch's mean confidence exceeds this,
    loss.lambda_cm_late = 0.03  # ... then this, for good
    loss.l1 = 0.0  # on the final images; none in the paper
    loss.l1_label_weights = (1.0,) * len(LABELS)  # of each label's pixels in it

    config.unpaired = unpaired = ml_collections.ConfigDict()
    unpaired.same_subjects = False  # in both domains; never one slice in both
    unpaired.recon_1 = 1.0  # weights of equation (7), domain 1, ...
    unpaired.recon_2 = 1.0  # ... domain 2 ...
    unpaired.recon_cm = 1.0  # ... and its confidence map loss
    unpaired.gan_1 = 1.0  # of equation (8)
    unpaired.gan_2 = 1.0
    unpaired.cyc_1 = 1.0  # of equation (9)
    unpaired.cyc_2 = 1.0
    unpaired.cyc_cm = 1.0
    unpaired.kl = 0.1  # of the codes' prior: UNIT
    unpaired.distance_1 = "l1"  # of domain 1; or "cross_entropy" of the labels
    unpaired.instance_noise = 0.0  # standard deviation, in what D1 and D2 see
    unpaired.image_pool = 0  # earlier fakes that D1 and D2 are shown; 0: none

    config.segmentation = segmentation = ml_collections.ConfigDict()
    segmentation.cross_entropy = 1.0  # weights in the U-Net's and SynSeg-Net's loss
    segmentation.dice = 1.0  # equation (4)
    segmentation.label_weights = (1.0,) * len(LABELS)  # in any cross-entropy of U

    config.ablation = ablation = ml_collections.ConfigDict()  # Table V
    ablation.stretch_out = True
    ablation.labelwise = True
    ablation.atlas = True
    ablation.shape_consistency = True
    ablation.confidence = True

    config.log_steps = 100
    config.sample_epochs = 10.0
    config.eval_epochs = 25.0
    config.checkpoint_epochs = 5.0
    config.keep_checkpoints = 2
    config.eval_batch_size = 16
    return config


CONTROL_FIELDS = (
    "log_steps",
    "sample_epochs",
    "eval_epochs",
    "checkpoint_epochs",
    "keep_checkpoints",
    "eval_batch_size",
    "data.dir",
)
"""Fields that may change between the runs of one work directory: none of them alters
what is computed (a dataset is known by its content hash, not by where it lies)."""

_CHOICES = {
    "dtype": ("float32", "bfloat16"),
    "model.heads": ("per_branch", "shared"),
    "model.norm": ("batch", "affine_instance"),
    "model.unet": ("ronneberger", "pix2pix"),
    "loss.gan": ("bce", "lsgan"),
    "loss.feature_distance": ("l2", "l1"),
    "unpaired.distance_1": ("l1", "cross_entropy"),
}
_ABLATED = ("cg_samr", "samr")
_POSITIVE = (
    "batch_size",
    "accumulation",
    "epochs",
    "learning_rate",
    "disc_rate",
    "segmenter_rate",
    "data.size",
    "data.subjects",
    "data.slices",
    "model.ngf",
    "model.ndf",
    "model.unet_channels",
    "log_steps",
    "sample_epochs",
    "eval_epochs",
    "checkpoint_epochs",
    "keep_checkpoints",
    "eval_batch_size",
)


def validate(config: ml_collections.ConfigDict) -> None:
    """Checks values that would otherwise fail late or silently.

    Raises:
      InputError: names the field, its value and what was expected.
    """
    flat = flatten(config)
    for field, choices in _CHOICES.items():
        if field in flat and flat[field] not in choices:
            raise InputError(
                f"config.{field} is {flat[field]!r}, expected one of {choices}"
            )
    for field in _POSITIVE:
        if field in flat and not flat[field] > 0:
            raise InputError(
                f"config.{field} is {flat[field]}, expected a positive number"
            )
    for field in ("steps", "clip_norm"):
        if not flat[field] >= 0:
            raise InputError(f"config.{field} is {flat[field]}, expected 0 or more")
    if not 0 <= config.constant_epochs <= config.epochs:
        raise InputError(
            f"config.constant_epochs is {config.constant_epochs}, expected 0 to "
            f"config.epochs = {config.epochs}"
        )
    off = [name for name, on in config.ablation.items() if not on]
    if off and config.method not in _ABLATED:
        raise InputError(
            f"config.ablation.{off[0]} is False, expected True: {config.method!r} has "
            "no such part"
        )
    if config.model.norm != "batch" and config.method not in _ABLATED:
        raise InputError(
            f"config.model.norm is {config.model.norm!r}, expected 'batch': "
            f"{config.method!r} has no such choice"
        )
    for field in (
        "loss.l1_label_weights",
        "loss.shape_label_weights",
        "segmentation.label_weights",
    ):
        if field in flat and len(flat[field]) != len(LABELS):
            raise InputError(
                f"config.{field} has {len(flat[field])} numbers, expected "
                f"{len(LABELS)}, one for each label"
            )


def check_size(size: tuple[int, int], downsamplings: int, *, source: str) -> None:
    """Raises `InputError` unless the network can halve `size` so many times."""
    multiple = 2**downsamplings
    if any(n % multiple or n < multiple for n in size):
        raise InputError(
            f"{source}: slices of {size[0]} x {size[1]}, expected a multiple of "
            f"{multiple}, for networks that halve them {downsamplings} times"
        )


def unflatten(leaves: Mapping[str, Any]) -> ml_collections.ConfigDict:
    """A whole config of leaves by their dotted names; inverse of `flatten`.

    Fields that are not among them have their default.

    Raises:
      InputError: a value is not valid.
      KeyError: there is no such field.
    """
    config = default()
    with config.unlocked():
        for field, value in leaves.items():
            *parents, leaf = field.split(".")
            section = config
            for name in parents:
                section = section[name]
            if leaf not in section:
                raise KeyError(field)
            section[leaf] = tuple(value) if isinstance(value, list) else value
    validate(config)
    return config


def flatten(config: ml_collections.ConfigDict, prefix: str = "") -> dict:
    """The leaves of a config as ``{'data.size': 256, ...}``."""
    leaves = {}
    for key, value in config.items():
        if isinstance(value, ml_collections.ConfigDict):
            leaves.update(flatten(value, f"{prefix}{key}."))
        else:
            leaves[prefix + key] = list(value) if isinstance(value, tuple) else value
    return leaves
