"""Trains and evaluates what a config describes.

    python launch/main.py --config=configs/paired.py:demo --workdir=runs/first

Run again, it resumes. Any field can be overridden: ``--config.batch_size=4``.
"""

from absl import flags
from ml_collections import config_flags

from samr_jax.runtime.launching import loaded, run

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file; ':demo' behind it selects its small variant."
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Directory of the run; by default runs/<config name>."
)
flags.mark_flag_as_required("config")


def main() -> None:
    from samr_jax.training.loop import train_and_evaluate

    config = loaded(_CONFIG)
    train_and_evaluate(config, _WORKDIR.value or f"runs/{config.name}")


if __name__ == "__main__":
    run(main)
