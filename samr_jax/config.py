"""The config of a training: data, optimisation and control, and the method's settings.

Fields that every method has are declared here; a method declares its own networks and
losses (`samr_jax.methods`). A config has just the fields that have an effect on its
method: an override of any other field stops the run with one line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import ml_collections
from flax.traverse_util import unflatten_dict

from samr_jax.methods.base import Context, Method
from samr_jax.methods.build import create_method, method_module, method_names
from samr_jax.methods.settings import (
    Count,
    Decay,
    PositiveFloat,
    PositiveInt,
    Weight,
    leaves_of,
    settings_from,
)
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import SEQUENCES


@dataclasses.dataclass(frozen=True)
class Data:
    """The training data.

    Attributes:
      dir: a prepared dataset; empty for the embedded phantom.
      size: rows and columns of the phantom's slices.
      subjects: number of phantoms.
      slices: axial slices of each phantom.
      sequences: sequences of the phantom; a prepared dataset has its own.
      seed: seed of the phantoms and of their split.
      mirrored: whether to train on the mirror image of every slice too.
      same_subjects: in unpaired training, whether both domains come from the same
        subjects; the mask and the images of one slice never meet in a batch.
    """

    dir: str = ""
    size: PositiveInt = 256
    subjects: PositiveInt = 100
    slices: PositiveInt = 15
    sequences: tuple[str, ...] = SEQUENCES
    seed: Count = 0
    mirrored: bool = False
    same_subjects: bool = False


@dataclasses.dataclass(frozen=True)
class Common:
    """Fields of every config, with CG-SAMR's numbers (section IV-B).

    Attributes:
      name: name of the config; the default work directory is ``runs/<name>``.
      method: name of a module in `samr_jax.methods`.
      start_from: work directory of a run whose weights this training starts with, or
        ``packaged``; empty for random weights. See `samr_jax.training.start`.
      seed: seed of initial weights, batches, dropout and noise.
      batch_size: slices of a step, over all devices.
      accumulation: parts of a batch that are computed one after the other to save
        memory; batch norm then sees one part at a time.
      memory_gib: most memory in GiB that a step may need on each device; 0 for as much
        as there is. A batch that needs more is refused before the training begins.
      steps: optimizer steps; 0 for as many as the epochs have.
      epochs: passes over the training data.
      constant_epochs: epochs before the learning rate falls linearly to 0; half of
        ``epochs`` unless it is set.
      learning_rate: Adam's learning rate of the generator.
      clip_norm: maximum gradient norm per optimizer; 0 disables clipping.
      adam_b1: decay of Adam's first moment.
      adam_b2: decay of Adam's second moment.
      ema_decay: decay of the generator's averaged weights; 0 for none.
      dtype: type of activations; parameters are always float32.
      log_steps: steps between lines of ``metrics.jsonl``.
      sample_epochs: epochs between pictures.
      eval_epochs: epochs between validations.
      checkpoint_epochs: epochs between checkpoints.
      keep_checkpoints: how many of the latest checkpoints are kept.
      eval_batch_size: slices of a batch at evaluation.
      data: the training data.
    """

    name: str
    method: str
    start_from: str = ""
    seed: Count = 0
    batch_size: PositiveInt = 8
    accumulation: PositiveInt = 1
    memory_gib: Weight = 0.0
    steps: Count = 0
    epochs: PositiveInt = 500
    constant_epochs: Count = 250
    learning_rate: PositiveFloat = 2e-4
    clip_norm: Weight = 0.0
    adam_b1: Decay = 0.5
    adam_b2: Decay = 0.999
    ema_decay: Decay = 0.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    log_steps: PositiveInt = 100
    sample_epochs: PositiveFloat = 10.0
    eval_epochs: PositiveFloat = 25.0
    checkpoint_epochs: PositiveFloat = 5.0
    keep_checkpoints: PositiveInt = 2
    eval_batch_size: PositiveInt = 16
    data: Data = Data()


CONTROL_FIELDS = (
    "memory_gib",
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


NAMES = {"paired": "cg_samr", "unpaired": "ucg_samr"}
"""Names of configs that are not their method's name."""


def config_names() -> list[str]:
    """The names of `named_config` that ``configs/`` has, sorted."""
    names = {method: name for name, method in NAMES.items()}
    return sorted(names.get(method, method) for method in method_names())


def named_config(name: str, variant: str = "paper") -> ml_collections.ConfigDict:
    """The config of a name: one of `NAMES`, or a method's.

    Args:
      name: such as ``paired``; ``configs/`` has a file for each name.
      variant: see `method_config`.

    Raises:
      InputError: the name names no method.
      ValueError: the method has no such variant.
    """
    return method_config(NAMES.get(name, name), variant, name=name)


def default(method: str = "cg_samr") -> ml_collections.ConfigDict:
    """The config of a method with its authors' numbers."""
    return method_config(method)


def method_config(
    method: str, variant: str = "paper", *, name: str = ""
) -> ml_collections.ConfigDict:
    """The config of a method.

    Args:
      method: name of a module in `samr_jax.methods`.
      variant: one of the module's ``VARIANTS``; ``paper`` has its authors' numbers.
      name: of the config, by default the method's.

    Raises:
      ValueError: the method has no such variant.
    """
    module = method_module(method)
    if variant not in module.VARIANTS:
        known = ", ".join(module.VARIANTS)
        raise ValueError(f"variant {variant!r}, expected one of {known}")
    name = name or method
    if variant != "paper":
        name += f"-{variant}"
    leaves = leaves_of(Common(name, method)) | leaves_of(module.Settings())
    config = ml_collections.ConfigDict(unflatten_dict(leaves, sep="."))
    config.constant_epochs = config.get_ref("epochs") // 2
    for field, value in module.VARIANTS[variant].items():
        set_field(config, field, value)
    return config


def set_field(config: ml_collections.ConfigDict, field: str, value: Any) -> None:
    """Sets a field by its dotted name.

    Raises:
      InputError: the config has no such field, or the value is of another type.
    """
    *sections, leaf = field.split(".")
    section = config
    try:
        for name in sections:
            section = section[name]
        if leaf not in section:
            raise KeyError(field)
        section[leaf] = tuple(value) if isinstance(value, list) else value
    except (KeyError, AttributeError) as error:
        raise InputError(unknown_field(config, field)) from error
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())  # which may quote a value of many lines
        raise InputError(f"config.{field} is {value!r}: {reason}") from error


def unknown_field(config: ml_collections.ConfigDict, field: str) -> str:
    """One line that says which fields there are in place of an unknown one."""
    section, _, _ = field.rpartition(".")
    leaves = flatten(config)
    near = [name for name in leaves if name.rpartition(".")[0] == section]
    return (
        f"config has no field {field}, expected one of those of method "
        f"{config.method!r}: {', '.join(near or leaves)}"
    )


def validate(config: ml_collections.ConfigDict) -> None:
    """Checks values that would otherwise fail late or silently.

    Raises:
      InputError: names the field, its value and what was expected.
    """
    leaves = flatten(config)
    settings_from(Common, leaves)
    settings_of(config)
    if not 0 <= config.constant_epochs <= config.epochs:
        raise InputError(
            f"config.constant_epochs is {config.constant_epochs}, expected 0 to "
            f"config.epochs = {config.epochs}"
        )


def settings_of(config: ml_collections.ConfigDict) -> Any:
    """The ``Settings`` of the config's method.

    Raises:
      InputError: a value is not valid.
    """
    module = method_module(config.method)
    leaves = flatten(config)
    missing = sorted(leaves_of(module.Settings()).keys() - leaves.keys())
    if missing:
        raise InputError(
            f"config has no field {missing[0]}, expected the fields of method "
            f"{config.method!r}"
        )
    return settings_from(module.Settings, leaves)


def method_of(config: ml_collections.ConfigDict, context: Context) -> Method:
    """The method that a config describes, built for `context`."""
    return create_method(config.method, settings_of(config), context)


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
      InputError: a value is not valid, or the method has no such field.
      KeyError: the leaves name no method.
    """
    config = method_config(leaves["method"])
    for field, value in leaves.items():
        set_field(config, field, value)
    validate(config)
    return config


def flatten(config: ml_collections.ConfigDict, prefix: str = "") -> dict[str, Any]:
    """The leaves of a config as ``{'data.size': 256, ...}``, with tuples as lists."""
    leaves = {}
    for key, value in config.items():
        if isinstance(value, ml_collections.ConfigDict):
            leaves.update(flatten(value, f"{prefix}{key}."))
        else:
            leaves[prefix + key] = list(value) if isinstance(value, tuple) else value
    return leaves
