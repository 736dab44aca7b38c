"""Scores a trained run on a split of its dataset.

    samr-jax evaluate --workdir=runs/paired-demo --split=test
    samr-jax evaluate --workdir=runs/mine --segmenter=runs/segmentation

The command writes metrics.json, table.md and figures into the work directory, and
prints the table. With --segmenter the table also says whether synthesized images follow
their masks, and how similar they are to real ones for that network.
"""

from pathlib import Path

from samr_jax.commands.frame.flags import Flags
from samr_jax.runtime.errors import InputError

FLAGS = Flags()

_RUN = FLAGS.group("Run and data")
_WORKDIR = _RUN.string("workdir", None, "A trained run.", form="RUN", required=True)
_CHECKPOINT = _RUN.choice(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint of the run."
)
_SPLIT = _RUN.choice(
    "split", "test", ["train", "val", "test"], "Which split of the dataset."
)
_DATA = _RUN.string(
    "data_dir",
    None,
    "Dataset; by default the dataset that the run was trained on.",
    form="DIR",
)
_SEGMENTER = _RUN.string(
    "segmenter",
    None,
    "Run of a method that segments, such as of --config=segmentation, trained on real "
    "images.",
    form="RUN",
)


def main() -> None:
    from samr_jax.evaluation.evaluate import evaluate
    from samr_jax.runs.model import load_model
    from samr_jax.runs.workdir import read_config
    from samr_jax.runtime.files import check_writable
    from samr_jax.training.data import training_dataset

    workdir = Path(_WORKDIR.value)
    config = read_config(workdir)
    check_writable(workdir / "metrics.json")
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
