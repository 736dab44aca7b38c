"""Segments a patient's MR images with a run that segments, such as an unpaired one.

    python launch/segment.py --images=patient --workdir=runs/unpaired-demo \\
        --output=labels.nii.gz

The folder holds ``<sequence>.nii.gz`` for every sequence of the training data, without
skull and in the space of its atlas. The label map is on the grid of the scans, in codes
0 background, 1 normal brain, 2 edema, 3 cavity, 4 tumor. A second file says which run
and which data it was made by.
"""

from absl import flags

from samr_jax.runtime.launching import run

_IMAGES = flags.DEFINE_string("images", None, "Folder of the scans.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "New NIfTI file.", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "A trained run.", required=True)
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint of the run."
)


def main() -> None:
    from pathlib import Path

    from samr_jax.data.nifti import write_volume
    from samr_jax.inference.segment import read_scans, segment_volume
    from samr_jax.runs.model import load_model
    from samr_jax.runs.provenance import provenance
    from samr_jax.runtime.errors import InputError
    from samr_jax.runtime.files import write_json

    if Path(_OUTPUT.value).exists():
        raise InputError(f"{_OUTPUT.value}: exists already, expected a new file")
    model = load_model(_WORKDIR.value, which=_CHECKPOINT.value)
    scans = read_scans(_IMAGES.value, model.dataset)
    labels = segment_volume(model, scans)
    write_volume(_OUTPUT.value, labels, next(iter(scans.values())).affine)
    write_json(f"{_OUTPUT.value}.provenance.json", provenance(model))
    print(_OUTPUT.value)


if __name__ == "__main__":
    run(main)
