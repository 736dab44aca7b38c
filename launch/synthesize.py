"""Synthesizes MR images from a lesion mask in NIfTI.

    python launch/synthesize.py --mask=mask.nii.gz --output=synthesized

By default the packaged weights are used, which were trained on simulated brains alone;
``--workdir=RUN`` takes the weights of a run. For each sequence an image in the units of
the training data and a confidence map are written, on the grid and affine of the mask,
and a picture of a few slices.

The mask has to lie in the space of the training data. With a patient's scan

    --reference=SCAN.nii.gz

the images are written on the voxels of that scan, and the mask may be drawn on them. If
the model was trained with the scan, its place in that space and the units of all
sequences of the patient are taken from the record of the preparation, where the scan is
found by its content. Any other scan is registered with the template if the training
subjects were registered; if they were not, its header is trusted. To give sequences the
units of such a patient, name scans on the same voxels:

    --reference=T1w=T1.nii.gz,FLAIR=FLAIR.nii.gz

All other sequences keep the units of the training data.

A run of configs/anatomy.py also needs a brain to put the lesion into:

    --anatomy=seed:7              a simulated healthy brain; seed:0 by default
    --anatomy=DATASET/SUBJECT     a subject of a prepared dataset on the model's grid
    --anatomy=average             the average of the training subjects
"""

import functools
from pathlib import Path

from absl import flags

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.launching import run

_MASK = flags.DEFINE_string("mask", None, "Label map (NIfTI).", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "New directory.", required=True)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "A trained run; by default the packaged weights."
)
_ATLAS = flags.DEFINE_string(
    "atlas",
    None,
    "Directory with <sequence>.nii.gz; by default the atlas of the training data.",
)
_LABELS = flags.DEFINE_string(
    "labels",
    "samr",
    "Preset of the codes of --mask and of all donors, such as brats2021 or brats2024.",
)
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint of the run."
)
_EDIT = flags.DEFINE_string(
    "edit", None, "Changes the mask first, such as scale:tumor=2.0; see launch/edit.py."
)
_REFERENCE = flags.DEFINE_list(
    "reference",
    None,
    "Patient's scan, as SCAN or SEQUENCE=SCAN,...: images are written on its voxels, "
    "and the named sequences in its units.",
)
_ANATOMY = flags.DEFINE_string(
    "anatomy",
    None,
    "Brain that the lesion is put into: seed:N, DATASET/SUBJECT or average.",
)
_DONORS = flags.DEFINE_list("donors", [], "Masks that the edit takes lesions from.")


def main() -> None:
    from samr_jax.data.edits import edit_volume
    from samr_jax.data.nifti import in_our_codes, read_labels
    from samr_jax.inference.anatomy import read_anatomy
    from samr_jax.inference.patient import synthesize_for_patient
    from samr_jax.inference.volumes import read_atlas, synthesize_volume, write_volumes
    from samr_jax.pretrained import load_pretrained
    from samr_jax.runs.model import load_model

    if flags.FLAGS["checkpoint"].present and not _WORKDIR.value:
        raise InputError(
            f"--checkpoint={_CHECKPOINT.value}: of no run, expected --workdir with it"
        )
    if _WORKDIR.value:
        model = load_model(_WORKDIR.value, which=_CHECKPOINT.value)
    else:
        model = load_pretrained()
    atlas = None
    if _ATLAS.value:
        atlas = read_atlas(_ATLAS.value, model.dataset)
    edit = None
    if _EDIT.value:
        edit = functools.partial(
            edit_volume,
            edit=_EDIT.value,
            donors=_DONORS.value,
            donor_labels=_LABELS.value,
        )
    mask = in_our_codes(read_labels(_MASK.value), _LABELS.value)
    options = {"atlas": atlas, "edit": edit}
    if _ANATOMY.value:
        options["anatomy"] = read_anatomy(_ANATOMY.value, model)
    if _REFERENCE.value:
        prepared = model.config.get("data.dir")
        volume = synthesize_for_patient(
            model,
            mask,
            _REFERENCE.value,
            prepared=Path(prepared) if prepared else None,
            **options,
        )
    else:
        volume = synthesize_volume(model, mask, **options)
    for path in write_volumes(volume, model, _OUTPUT.value):
        print(path)


if __name__ == "__main__":
    run(main)
