"""Scores a trained run on a split of its dataset.

    python launch/evaluate.py --workdir=runs/paired-demo --split=test

Writes metrics.json, table.md and figures/comparison.png into the work directory, and
prints the table.
"""

from pathlib import Path

from absl import flags

from samr_jax.launching import run

_WORKDIR = flags.DEFINE_string("workdir", None, "A trained run.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "val", "test"], "Which split.")
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint of the run."
)
_DATA = flags.DEFINE_string(
    "data_dir", None, "Dataset; by default the one that the run was trained on."
)


def main() -> None:
    from samr_jax.evaluate import evaluate
    from samr_jax.inference import load_model
    from samr_jax.train import training_dataset
    from samr_jax.workdir import read_config

    workdir = Path(_WORKDIR.value)
    config = read_config(workdir)
    if _DATA.value:
        config.data.dir = _DATA.value
    model = load_model(workdir, which=_CHECKPOINT.value)
    evaluate(
        model,
        training_dataset(config),
        _SPLIT.value,
        workdir,
        batch_size=config.eval_batch_size,
    )
    print((workdir / "table.md").read_text())


if __name__ == "__main__":
    run(main)
