"""Synthesizes training data from manipulated masks of training patients.

    samr-jax augment --workdir=runs/paired-demo --output=synthesized
    samr-jax augment --workdir=runs/paired-demo --output=mixed --mix

The output is a dataset. With --mix it also holds the real subjects, so that a training
on it sees real and synthesized images and is tested on real ones:

    samr-jax train --config=segmentation --config.data.dir=mixed

A run of the config anatomy is told the brain of the mask's patient. So that any lesion
can meet any brain, another brain can be drawn for each volume:

    --brains=subjects     the brain of another training subject
    --brains=simulated    a simulated healthy brain

Lesions can also come from mask files, such as masks of patients after treatment:

    --masks=DIR --labels=brats2024
"""

from pathlib import Path

from samr_jax.commands.frame.flags import Flags
from samr_jax.commands.frame.lesion_flags import LesionFlags

FLAGS = Flags()

_FILES = FLAGS.group("Input and output")
_WORKDIR = _FILES.string("workdir", None, "A trained run.", form="RUN", required=True)
_OUTPUT = _FILES.string("output", None, "New directory.", form="DIR", required=True)
_DATA = _FILES.string(
    "data_dir",
    None,
    "Dataset; by default the dataset that the run was trained on.",
    form="DIR",
)
_CHECKPOINT = _FILES.choice(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint of the run."
)

_CONTENT = FLAGS.group("What is synthesized")
_COUNT = _CONTENT.integer(
    "count",
    None,
    "Number of volumes; by default the number of training subjects.",
    1,
    100_000,
)
_SEED = _CONTENT.integer("seed", 0, "Seed of the manipulations.", 0)
_JITTER = _CONTENT.switch(
    "jitter", "Also move, rotate, mirror and deform lesions, unlike the paper."
)
_BRAINS = _CONTENT.choice(
    "brains",
    "own",
    ["own", "subjects", "simulated"],
    "Whose brain a run of the config anatomy is told.",
)
_LESIONS = LesionFlags(
    FLAGS,
    _CONTENT,
    "Masks: files, folders or patterns. Their lesions take the place of the patients' "
    "own; by default those are edited.",
)
_MIX = _CONTENT.switch("mix", "Add the real subjects of all splits.")


def main() -> None:
    import tempfile

    from samr_jax.inference.augment import mixed, synthesized_set
    from samr_jax.runs.model import load_model
    from samr_jax.runs.workdir import read_config
    from samr_jax.runtime.files import check_new_directory
    from samr_jax.training.data import training_dataset

    check_new_directory(_OUTPUT.value)
    config = read_config(Path(_WORKDIR.value))
    if _DATA.value:
        config.data.dir = _DATA.value
    dataset = training_dataset(config)
    lesions = _LESIONS.read()
    model = load_model(_WORKDIR.value, which=_CHECKPOINT.value)
    count = _COUNT.value or len(dataset.splits["train"])
    options = {
        "count": count,
        "seed": _SEED.value,
        "jitter": _JITTER.value,
        "brains": _BRAINS.value,
        "lesions": lesions,
    }
    if not _MIX.value:
        written = synthesized_set(model, dataset, _OUTPUT.value, **options)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            further = synthesized_set(model, dataset, Path(scratch, "set"), **options)
            written = mixed(dataset, further, _OUTPUT.value, volumes=count)
    print(f"{written.directory}: {len(written.splits['train'])} training volumes")
