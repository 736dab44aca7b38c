"""Draws the paper's figures, and figures beyond the paper, from runs on one dataset.

    samr-jax figures --figure=6 --workdirs=runs/pix2pix,runs/paired --output=figure6.png
    samr-jax figures --figure=errors --workdirs=runs/paired

Figure 6 shows syntheses by several methods, with magnified lesions. Figure 7 shows
syntheses of manipulated masks by one run. Figure 8 shows both directions of unpaired
methods. The figure "errors" shows maps of absolute errors.

Three figures are of one run: "example" shows real slices of held-out subjects, the
painted atlas and the run's syntheses; "brains" shows one lesion in several brains and
"lesions" several lesions in one brain, by a run of the config anatomy.

The figure "low-data" shows Dice by the number of real training patients. The mean gains
over real images alone are printed. Its --workdirs are those of tables that were made
with several numbers of patients:

    samr-jax tables --table=2 --folds=3 --train_patients=4 --workdir=n4 ...
    samr-jax tables --table=2 --folds=3 --train_patients=8 --workdir=n8 ...
    samr-jax figures --figure=low-data --workdirs=n4,n8
"""

from pathlib import Path

from samr_jax.commands.frame.flags import Flags
from samr_jax.runtime.errors import InputError

FLAGS = Flags()

_CONTENT = FLAGS.group("What is drawn")
_FIGURE = _CONTENT.choice(
    "figure",
    None,
    ["6", "7", "8", "errors", "example", "brains", "lesions", "low-data"],
    "Which figure.",
    required=True,
)
_WORKDIRS = _CONTENT.strings(
    "workdirs",
    None,
    "Trained runs; for low-data, folders of table 2.",
    form="RUN,...",
    required=True,
)
_SPLIT = _CONTENT.choice(
    "split", "test", ["train", "val", "test"], "Which split of the dataset."
)
_SLICES = _CONTENT.integer("slices", 1, "Number of slices to show.", 1)

_FILES = FLAGS.group("Input and output")
_DATA = _FILES.string(
    "data_dir",
    None,
    "Dataset; by default the dataset that the first run was trained on.",
    form="DIR",
)
_OUTPUT = _FILES.string("output", None, "PNG; by default figure<N>.png.", form="FILE")


def main() -> None:
    from samr_jax.evaluation.paper_figures import draw_figure, load_models
    from samr_jax.runs.workdir import read_config
    from samr_jax.runtime.files import check_writable
    from samr_jax.tables.low_data_curve import draw_low_data_curve
    from samr_jax.training.data import training_dataset

    path = check_writable(_OUTPUT.value or f"figure{_FIGURE.value}.png")
    if path.suffix.lower() != ".png" or path.is_dir():
        raise InputError(f"--output={path}: expected a file that ends in .png")
    if _FIGURE.value == "low-data":
        for flag in ("data_dir", "split", "slices"):
            if FLAGS.given(flag):
                raise InputError(f"--{flag} has no effect on --figure=low-data")
        print(f"{draw_low_data_curve(_WORKDIRS.value, path)}\n{path}")
        return
    config = read_config(Path(_WORKDIRS.value[0]))
    if _DATA.value:
        config.data.dir = _DATA.value
    dataset = training_dataset(config)
    draw_figure(
        _FIGURE.value,
        load_models(_WORKDIRS.value, dataset),
        dataset,
        path,
        split=_SPLIT.value,
        count=_SLICES.value,
        batch_size=config.eval_batch_size,
    )
    print(path)
