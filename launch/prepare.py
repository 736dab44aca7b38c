"""Turns a folder of scans into a dataset to train on.

python launch/prepare.py --input=BraTS2021 --output=datasets/brats
"""

from absl import flags

from samr_jax.launching import run
from samr_jax.prepare.pipeline import prepare

_INPUT = flags.DEFINE_string("input", None, "Folder with the subjects.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "The dataset, new.", required=True)
_LAYOUT = flags.DEFINE_string("layout", "auto", "How the files are named.")
_LABELS = flags.DEFINE_string(
    "labels", "auto", "Label preset, or a map such as 1:cavity,2:edema,4:tumor."
)
_SEQUENCES = flags.DEFINE_list(
    "sequences", None, "Sequences to use; by default those that every subject has."
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
_KEEP_NAMES = flags.DEFINE_bool(
    "keep_names", False, "Keep the source's identifiers in place of pseudonyms."
)
_WORKERS = flags.DEFINE_integer("workers", -1, "Processes; -1 is one a core.")


def main() -> None:
    prepare(
        _INPUT.value,
        _OUTPUT.value,
        layout=_LAYOUT.value,
        labels=_LABELS.value,
        sequences=_SEQUENCES.value,
        size=_SIZE.value,
        spacing=_SPACING.value,
        slice_spacing=_SLICE_SPACING.value,
        slices=_SLICES.value,
        split=tuple(map(float, _SPLIT.value)),
        seed=_SEED.value,
        keep_names=_KEEP_NAMES.value,
        workers=_WORKERS.value,
    )


if __name__ == "__main__":
    run(main)
