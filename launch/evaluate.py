"""Scores a trained run on a split of its dataset.

    python launch/evaluate.py --workdir=runs/paired-demo --split=test

Writes metrics.json, table.md and figures into the work directory, and prints the table.
With ``--segmenter``, a run of configs/segmentation.py on real images, the table says
whether synthesized images follow their masks, and how much they look like real ones to
that network.
"""

from pathlib import Path

from absl import flags

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.launching import run

_WORKDIR = flags.DEFINE_string("workdir", None, "A trained run.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "val", "test"], "Which split.")
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint of the run."
)
_DATA = flags.DEFINE_string(
    "data_dir", None, "Dataset; by default the one that the run was trained on."
)
_SEGMENTER = flags.DEFINE_string(
    "segmenter", None, "Run of a method that segments, trained on real images."
)


def main() -> None:
    from samr_jax.evaluation.evaluate import evaluate
    from samr_jax.runs.model import load_model
    from samr_jax.runs.workdir import read_config
    from samr_jax.training.data import training_dataset

    workdir = Path(_WORKDIR.value)
    config = read_config(workdir)
    if _DATA.value:
        config.data.dir = _DATA.value
    model = load_model(workdir, which=_CHECKPOINT.value)
    segmenter = load_model(_SEGMENTER.value) if _SEGMENTER.value else None
    if segmenter is not None and not segmenter.method.can_segment:
        raise InputError(
            f"--segmenter={_SEGMENTER.value}: {segmenter.method.name} does not "
            "segment, expected a run of a method that does"
        )
    evaluate(
        model,
        training_dataset(config),
        _SPLIT.value,
        workdir,
        batch_size=config.eval_batch_size,
        segmenter=segmenter,
    )
    print((workdir / "table.md").read_text())


if __name__ == "__main__":
    run(main)
