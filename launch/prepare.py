"""Turns a folder of scans into a dataset to train on.

    python launch/prepare.py --input=BraTS2021 --output=datasets/brats

What is recognised, and which steps the scans need, is printed. Run again after a crash,
it goes on. Subjects that failed are listed; the quality page is OUTPUT/qc/index.html.
"""

from absl import flags

from samr_jax.runtime.launching import run

_INPUT = flags.DEFINE_string("input", None, "Folder with the subjects, or a manifest.")
_OUTPUT = flags.DEFINE_string("output", None, "The dataset, a new directory.")
_LAYOUT = flags.DEFINE_string(
    "layout",
    "auto",
    "auto, brats2021, brats2023, bids, ucsf-pdgm, upenn-gbm or manifest.",
)
_LABELS = flags.DEFINE_string(
    "labels", "auto", "Label preset, or a map such as 1:cavity,2:edema,4:tumor."
)
_SEQUENCES = flags.DEFINE_list(
    "sequences", None, "Sequences to use; by default those that every subject has."
)
_APTW_SUFFIX = flags.DEFINE_string("aptw_suffix", "APTw", "BIDS suffix of APTw.")
_SPACING_OF = flags.DEFINE_list(
    "spacing_of",
    None,
    "Voxel size in mm of scans whose header has lost it and states 1 x 1 x 1, such as "
    "0.86,0.86,5.",
)
_SIZE = flags.DEFINE_integer("size", 256, "Rows and columns of a slice.", 8)
_SPACING = flags.DEFINE_float(
    "spacing", None, "Millimetres between rows and columns; by default the scans' own."
)
_SLICE_SPACING = flags.DEFINE_float(
    "slice_spacing", 4.4, "Millimetres between slices.", 0.1
)
_SLICES = flags.DEFINE_integer(
    "slices", None, "Number of slices; by default all that hold brain.", 1
)
_SPLIT = flags.DEFINE_list("split", ["0.72", "0.10", "0.18"], "Train, val, test.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the split.")

_STRIP = flags.DEFINE_enum(
    "strip",
    "auto",
    ["auto", "hd-bet", "template", "off"],
    "How skulls are removed: by the network HD-BET (pip install 'samr-jax[strip]'), by "
    "the template and intensities, or not. With auto it is HD-BET where installed, and "
    "only heads are stripped.",
)
_CHOICES = ["auto", "on", "off"]
_STEPS = {
    name: flags.DEFINE_enum(name, "auto", _CHOICES, text)
    for name, text in {
        "register": "Rigid registration of a subject's sequences with one another.",
        "align": "Rigid alignment of all subjects with the template.",
        "bias": "N4 bias correction.",
        "tissue": "WM, GM and CSF maps.",
        "standardise": "Nyúl's intensity standardisation.",
    }.items()
}
_ATLAS = flags.DEFINE_enum(
    "atlas", "auto", ["auto", "template", "mean"], "How the atlas is made."
)
_KEEP_NAMES = flags.DEFINE_bool(
    "keep_names", False, "Keep the source's identifiers in place of pseudonyms."
)
_WORKERS = flags.DEFINE_integer("workers", -1, "Processes; -1 is one a core.")
_SCHEDULER = flags.DEFINE_string(
    "scheduler", None, "Address of a Dask scheduler that runs the subjects instead."
)
flags.mark_flags_as_required(["input", "output"])


def main() -> None:
    from samr_jax.prepare.grids import Target
    from samr_jax.prepare.options import Steps
    from samr_jax.prepare.pipeline import prepare

    prepare(
        _INPUT.value,
        _OUTPUT.value,
        layout=_LAYOUT.value,
        labels=_LABELS.value,
        sequences=_SEQUENCES.value,
        target=Target(
            size=_SIZE.value,
            spacing=_SPACING.value,
            slice_spacing=_SLICE_SPACING.value,
            slices=_SLICES.value,
        ),
        split=_SPLIT.value,
        seed=_SEED.value,
        steps=Steps(
            strip=_STRIP.value,
            **{name: flag.value for name, flag in _STEPS.items()},
        ),
        atlas=_ATLAS.value,
        aptw_suffix=_APTW_SUFFIX.value,
        spacing_of=_SPACING_OF.value,
        keep_names=_KEEP_NAMES.value,
        workers=_WORKERS.value,
        scheduler=_SCHEDULER.value,
    )


if __name__ == "__main__":
    run(main)
