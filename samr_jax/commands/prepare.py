"""Turns a folder of scans into a dataset to train on.

    samr-jax prepare --input=BraTS2021 --output=datasets/brats
    samr-jax prepare --input=bids --output=datasets/mine --sequences=T1w,FLAIR
    samr-jax prepare --input=EXPORT --output=datasets/mine --series=corrected.tsv

The command prints which layout it has recognised and which steps the scans need. Run
again after a crash, it goes on. Subjects that failed are listed. The page about the
quality of all subjects is OUTPUT/qc/index.html. Preparation needs further packages:
pip install 'samr-jax[prepare]', and for DICOM series 'samr-jax[prepare,dicom]'.
"""

from samr_jax.commands.frame.flags import Flags

FLAGS = Flags()

_FILES = FLAGS.group("Scans and dataset")
_INPUT = _FILES.string(
    "input",
    None,
    "Folder with the subjects or with DICOM series, or a CSV manifest.",
    form="DIR|FILE",
    required=True,
)
_OUTPUT = _FILES.string(
    "output", None, "The dataset, a new directory.", form="DIR", required=True
)
_LAYOUT = _FILES.string(
    "layout",
    "auto",
    "How files are named: auto, brats2021, brats2023, bids, ucsf-pdgm, upenn-gbm, "
    "manifest or dicom.",
    form="LAYOUT",
)
_LABELS = _FILES.string(
    "labels",
    "auto",
    "Codes of the masks: a preset such as brats2021, or a map such as "
    "1:cavity,2:edema,4:tumor.",
    form="PRESET|MAP",
)
_SEQUENCES = _FILES.strings(
    "sequences",
    None,
    "Sequences to use; by default the sequences that every subject has.",
    form="NAME,...",
)
_ALSO = _FILES.repeated(
    "also",
    "Sequences of a further dataset, OUTPUT_NAME_..., for methods that need fewer: it "
    "keeps subjects that lack other sequences. May be given several times.",
    form="NAME,...",
)
_APTW_SUFFIX = _FILES.string(
    "aptw_suffix", "APTw", "BIDS suffix of APTw images.", form="SUFFIX"
)
_SPACING_OF = _FILES.strings(
    "spacing_of",
    None,
    "Voxel size in mm of scans whose header has lost it and states 1 x 1 x 1, such as "
    "0.86,0.86,5.",
    form="X,Y,Z",
)
_SERIES = _FILES.string(
    "series",
    None,
    "Table of the DICOM series, corrected; an earlier run has written it to "
    "OUTPUT.work/dicom/series.tsv.",
    form="FILE",
)
_KEEP_NAMES = _FILES.switch(
    "keep_names", "Keep the source's identifiers instead of pseudonyms."
)

_GRID = FLAGS.group("Slices and split")
_SIZE = _GRID.integer("size", 256, "Rows and columns of a slice.", 8)
_SPACING = _GRID.number(
    "spacing",
    None,
    "Millimetres between rows and columns; by default the spacing of the scans.",
)
_SLICE_SPACING = _GRID.number("slice_spacing", 4.4, "Millimetres between slices.", 0.1)
_SLICES = _GRID.integer(
    "slices", None, "Number of slices; by default all that hold brain.", 1
)
_SPLIT = _GRID.strings(
    "split",
    ["0.72", "0.10", "0.18"],
    "Shares of patients for training, validation and test.",
    form="X,X,X",
)
_SEED = _GRID.integer("seed", 0, "Seed of the split.")

_STEP_FLAGS = FLAGS.group("Steps; with auto the data decide")
_STRIP = _STEP_FLAGS.choice(
    "strip",
    "auto",
    ["auto", "hd-bet", "template", "off"],
    "Removal of skulls: by the network HD-BET (pip install 'samr-jax[strip]'), by the "
    "template and intensities, or not at all. With auto only heads are stripped, by "
    "HD-BET if it is installed.",
)
_CHOICES = ["auto", "on", "off"]
_STEPS = {
    name: _STEP_FLAGS.choice(name, "auto", _CHOICES, text)
    for name, text in {
        "register": "Rigid registration of a subject's sequences with one another.",
        "align": "Rigid alignment of all subjects with the template.",
        "bias": "N4 bias correction.",
        "tissue": "Maps of WM, GM and CSF.",
        "standardise": "Nyúl's intensity standardisation.",
    }.items()
}
_ATLAS = _STEP_FLAGS.choice(
    "atlas", "auto", ["auto", "template", "mean"], "How the atlas is made."
)

_COMPUTING = FLAGS.group("Computing")
_WORKERS = _COMPUTING.integer(
    "workers", -1, "Number of processes; -1 is one for each core."
)
_SCHEDULER = _COMPUTING.string(
    "scheduler",
    None,
    "Address of a Dask scheduler that runs the subjects instead.",
    form="ADDRESS",
)


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
        also=[names.split(",") for names in _ALSO.value],
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
        series=_SERIES.value,
        keep_names=_KEEP_NAMES.value,
        workers=_WORKERS.value,
        scheduler=_SCHEDULER.value,
    )
