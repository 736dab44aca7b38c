"""Draws the paper's figures from runs on one dataset.

    python launch/figures.py --figure=6 --workdirs=runs/pix2pix,runs/paired \\
        --output=figure6.png

Figure 6 shows syntheses by several methods, with magnified lesions; 7 syntheses of
manipulated masks by one run; 8 both directions of unpaired methods; ``errors`` the maps
of absolute errors.
"""

from absl import flags

from samr_jax.runtime.launching import run

_FIGURE = flags.DEFINE_enum(
    "figure", None, ["6", "7", "8", "errors"], "Figure of the paper."
)
_WORKDIRS = flags.DEFINE_list("workdirs", None, "Trained runs.")
_OUTPUT = flags.DEFINE_string("output", None, "PNG; by default figure<N>.png.")
_SPLIT = flags.DEFINE_enum("split", "test", ["train", "val", "test"], "Which split.")
_SLICES = flags.DEFINE_integer("slices", 1, "Number of slices to show.", 1)
_DATA = flags.DEFINE_string(
    "data_dir", None, "Dataset; by default the one that the first run was trained on."
)
flags.mark_flags_as_required(["figure", "workdirs"])


def main() -> None:
    from pathlib import Path

    from samr_jax.evaluation.paper_figures import draw_figure, load_models
    from samr_jax.runs.workdir import read_config
    from samr_jax.training.data import training_dataset

    config = read_config(Path(_WORKDIRS.value[0]))
    if _DATA.value:
        config.data.dir = _DATA.value
    dataset = training_dataset(config)
    path = Path(_OUTPUT.value or f"figure{_FIGURE.value}.png")
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


if __name__ == "__main__":
    run(main)
