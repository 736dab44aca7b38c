"""Synthesizes MR images from lesion masks.

    samr-jax synthesize --mask=mask.nii.gz --output=synthesized
    samr-jax synthesize --mask=seg.nii.gz --labels=brats2023 --output=synthesized \\
        --reference=t1n.nii.gz
    samr-jax synthesize --mask=masks --output=synthesized --sequences=FLAIR,T1w

For each sequence an image in the units of the training data and a confidence map are
written, on the grid and affine of the mask. With them go labels.nii.gz, the label map
that the images were made from, contact_sheet.png, a picture of a few slices, and
provenance.json. By default the packaged weights are used, which were trained on
simulated brains alone.

A mask whose lesions are larger, more or elsewhere than the lesions of the training gets
a warning, and provenance.json says what is outside, as outside_training.

The mask has to lie in the space of the training data. For the packaged weights this is
MNI space. They were trained with slices at z = -8.8 to 52.8 mm. A mask that leaves
these slices gets images at z = -22 to 66 mm and a warning. With the anatomy of a
subject or a scan, images end where the training slices end. With a patient's scan

    --reference=SCAN.nii.gz

the images are written on the voxels of that scan, and the mask may be drawn on them. If
the model was trained with the scan, its place in that space and the units of all
sequences of the patient are taken from the record of the preparation, where the scan is
found by its content. Any other scan is registered with the template if the training
subjects were registered; if they were not, its header is trusted. To give sequences the
units of such a patient, name scans on the same voxels:

    --reference=T1w=T1.nii.gz,FLAIR=FLAIR.nii.gz

All other sequences keep the units of the training data.

A run of the config anatomy also needs a brain to put the lesion into:

    --anatomy=seed:7              a simulated healthy brain; seed:0 by default
    --anatomy=DATASET/SUBJECT     a subject of a prepared dataset on the model's grid
    --anatomy=average             the average of the training subjects
    --anatomy=SCAN.nii.gz         the brain of a T1w scan, with or without skull

A scan is registered, stripped and segmented first, which takes about a minute. Then the
images are written on its voxels, and the mask may be drawn on them.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from samr_jax.commands.frame.flags import Flags
from samr_jax.runtime.errors import InputError

FLAGS = Flags()

_FILES = FLAGS.group("Input and output")
_MASK = _FILES.strings(
    "mask",
    None,
    "Lesion mask, NIfTI. For several files, a folder or a pattern such as "
    "BraTS/*/*seg.nii.gz, every mask has a folder of its name in the output. Run "
    "again, the command keeps finished folders.",
    form="FILE|DIR|PATTERN,...",
    required=True,
)
_LABELS = _FILES.string(
    "labels",
    "samr",
    "Codes of the mask and of all donors: samr (1 normal brain, 2 edema, 3 cavity, "
    "4 tumor), or a protocol such as brats2021, brats2023 or brats2024.",
    form="PRESET",
)
_OUTPUT = _FILES.string("output", None, "New directory.", form="DIR", required=True)
_SEQUENCES = _FILES.strings(
    "sequences",
    None,
    "Sequences to write, such as FLAIR,T1w; by default all of the model's.",
    form="NAME,...",
)
_ONE_FILE = _FILES.switch(
    "one_file",
    "Write all sequences as one file of four dimensions, images.nii.gz, and their "
    "order as images.json.",
)
_PNG = _FILES.switch(
    "png", "Also write every axial slice as PNG, a voxel as a pixel, in OUTPUT/png."
)
_SCHEDULER = _FILES.string(
    "scheduler",
    None,
    "For several masks: address of a Dask scheduler whose workers see the same files.",
    form="ADDRESS",
)

_MODEL = FLAGS.group("Weights and atlas")
_WORKDIR = _MODEL.string(
    "workdir", None, "A trained run; by default the packaged weights.", form="RUN"
)
_CHECKPOINT = _MODEL.choice(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint of the run."
)
_ATLAS = _MODEL.string(
    "atlas",
    None,
    "Directory with SEQUENCE.nii.gz; by default the atlas of the training data.",
    form="DIR",
)

_SEED = _MODEL.integer(
    "seed", 0, "Seed of the noise, for a model that sees noise: other fine detail.", 0
)
_SAMPLES = _MODEL.integer(
    "samples",
    1,
    "Number of syntheses with different noise, for a model that sees noise. The second "
    "is written into OUTPUT/sample-2 and so on. SEQUENCE_std.nii.gz is their standard "
    "deviation in the units of the training data.",
    1,
)

_PATIENT = FLAGS.group("Patient and anatomy")
_REFERENCE = _PATIENT.strings(
    "reference",
    None,
    "Patient's scan: images are written on its voxels, and the named sequences in its "
    "units.",
    form="SCAN|SEQUENCE=SCAN,...",
)
_ANATOMY = _PATIENT.string(
    "anatomy",
    None,
    "Brain that the lesion is put into.",
    form="seed:N|DATASET/SUBJECT|average|SCAN",
)

_CHANGE = FLAGS.group("Edit of the lesion")
_EDIT = _CHANGE.string(
    "edit",
    None,
    "Changes the mask first, such as scale:tumor=2.0; see samr-jax edit --help.",
    form="RECIPE",
)
_DONORS = _CHANGE.strings(
    "donors", [], "Masks that a random edit may take lesions from.", form="FILE,..."
)


def main() -> None:
    from samr_jax.inference.many_masks import find_masks, is_pattern, synthesize_masks
    from samr_jax.inference.synthesizer import read_synthesizer
    from samr_jax.runtime.files import check_new_directory
    from samr_jax.runtime.progress import progress

    first, *others = _MASK.value
    alone = not others and not is_pattern(first) and not Path(first).is_dir()
    if alone:
        check_new_directory(_OUTPUT.value)
        masks = {}
    else:
        masks = find_masks(_MASK.value)
    if alone and _SCHEDULER.value:
        raise InputError("--scheduler and one mask, expected a folder or a pattern")
    if FLAGS.given("checkpoint") and not _WORKDIR.value:
        raise InputError(
            f"--checkpoint={_CHECKPOINT.value}: of no run, expected --workdir with it"
        )
    read = partial(
        read_synthesizer,
        workdir=_absolute(_WORKDIR.value),
        checkpoint=_CHECKPOINT.value,
        atlas=_absolute(_ATLAS.value),
        anatomy=_ANATOMY.value or "",
        labels=_LABELS.value,
        edit=_EDIT.value or "",
        donors=tuple(_DONORS.value),
        reference=tuple(_REFERENCE.value or ()),
        seed=_SEED.value,
        samples=_SAMPLES.value,
        sequences=None if _SEQUENCES.value is None else tuple(_SEQUENCES.value),
        png=_PNG.value,
        one_file=_ONE_FILE.value,
    )
    output = Path(_OUTPUT.value)
    if alone:
        paths = replace(read(), show=progress)(Path(first), output)
    else:
        paths = synthesize_masks(read, masks, output, scheduler=_SCHEDULER.value)
    for path in paths:
        print(path)


def _absolute(path: str | None) -> str:
    """A path that means the same on every machine; empty without one."""
    return str(Path(path).absolute()) if path else ""
