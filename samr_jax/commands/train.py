"""Trains a method as a config describes, and evaluates it.

    samr-jax train --config=paired:demo --workdir=runs/first
    samr-jax train --config=unpaired --config.data.dir=datasets/mine --config.seed=1

Run again with the same work directory, the command resumes. The work directory holds
the config, checkpoints, metrics, pictures, and the evaluation of the test split.

Any field of the config can be overridden by --config.FIELD=VALUE. Fields that all
methods have:

    --config.data.dir=DIR        a prepared dataset; empty for the embedded one
    --config.epochs=N            passes over the training data
    --config.steps=N             optimizer steps, in place of epochs
    --config.batch_size=N        slices of a step, over all devices
    --config.seed=N              seed of weights and batches
    --config.dtype=bfloat16      type of activations
    --config.start_from=RUN      weights to start with: a run, or "packaged"

The files samr_jax/config.py and samr_jax/methods/METHOD.py describe all fields.
"""

from samr_jax.commands.frame.config_flag import define_config
from samr_jax.commands.frame.flags import Flags

FLAGS = Flags()

_TRAINING = FLAGS.group("Training")
_CONFIG = define_config(
    _TRAINING,
    "Name of a config, such as paired or unpaired, or a file such as "
    "configs/paired.py. The variant demo is small: minutes on two CPU cores.",
    required=True,
)
_WORKDIR = _TRAINING.string(
    "workdir",
    None,
    "Directory of the run; by default runs/NAME, or runs/NAME-VARIANT.",
    form="DIR",
)


def main() -> None:
    from samr_jax.training.loop import train_and_evaluate

    config = _CONFIG.value
    train_and_evaluate(config, _WORKDIR.value or f"runs/{config.name}")
