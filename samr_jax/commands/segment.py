"""Segments a patient's MR images with a run that segments.

    samr-jax segment --images=patient --workdir=runs/unpaired --output=labels.nii.gz

The scans have to be co-registered, without skull, and in the space of the training
data. The label map is on the grid of the scans, in the codes 0 background, 1 normal
brain, 2 edema, 3 cavity and 4 tumor. A file next to it, OUTPUT.provenance.json, says
which run has made it.
"""

from samr_jax.commands.frame.flags import Flags

FLAGS = Flags()

_FILES = FLAGS.group("Input and output")
_IMAGES = _FILES.string(
    "images",
    None,
    "Folder with a scan of every sequence of the training data: SEQUENCE.nii.gz, such "
    "as FLAIR.nii.gz, or the names of BraTS and other layouts of samr-jax prepare.",
    form="DIR",
    required=True,
)
_OUTPUT = _FILES.string("output", None, "New NIfTI file.", form="FILE", required=True)

_MODEL = FLAGS.group("Weights")
_WORKDIR = _MODEL.string("workdir", None, "A trained run.", form="RUN", required=True)
_CHECKPOINT = _MODEL.choice(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint of the run."
)


def main() -> None:
    from samr_jax.data.nifti import check_new_volume, write_volume
    from samr_jax.inference.segment import read_scans, segment_volume
    from samr_jax.runs.model import load_model
    from samr_jax.runs.provenance import provenance, weights_hash
    from samr_jax.runtime.files import write_json

    check_new_volume(_OUTPUT.value)
    model = load_model(_WORKDIR.value, which=_CHECKPOINT.value)
    scans = read_scans(_IMAGES.value, model.dataset)
    labels = segment_volume(model, scans)
    record = {**provenance(model), "weights": f"sha256:{weights_hash(model)}"}
    write_json(f"{_OUTPUT.value}.provenance.json", record)
    write_volume(_OUTPUT.value, labels, next(iter(scans.values())).affine)
    print(_OUTPUT.value)
