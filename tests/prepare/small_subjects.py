"""Small co-registered subjects on disk, with patient names in files and headers."""

import nibabel as nib
import numpy as np

from samr_jax.data.nifti import write_volume
from samr_jax.prepare.grids import Target
from samr_jax.prepare.options import Steps

AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 31], [0, 0, 1, 0], [0, 0, 0, 1]])
SHAPE = (28, 32, 24)
SUFFIXES = ("t1", "t1ce", "t2", "flair")
SEQUENCES = ("T1w", "Gd-T1w", "T2w", "FLAIR")
PLAIN = Steps(bias="off", tissue="off")
TARGET = Target(size=32, slice_spacing=4.0)


def scan_file(root, index, suffix):
    return root / f"smith{index}" / f"smith{index}_{suffix}.nii.gz"


def write_subject(root, index):
    rng = np.random.default_rng(index)
    middle = (np.array(SHAPE) - 1)[:, None, None, None] / 2
    x, y, z = np.indices(SHAPE) - middle
    brain = (x / 11) ** 2 + (y / 13) ** 2 + (z / 9) ** 2 < 1
    seg = np.zeros(SHAPE, np.uint8)
    seg[10:16, 12:18, 8:14] = 2
    seg[11:15, 13:17, 9:13] = 4
    seg[12:14, 14:16, 10:12] = 1
    for suffix in SUFFIXES:
        image = brain * rng.integers(100, 1000, SHAPE).astype(np.int16)
        _write_named(scan_file(root, index, suffix), image)
    write_volume(scan_file(root, index, "seg"), seg, AFFINE)


def _write_named(path, image):
    """A scan as converters write it, with the patient's name in the header."""
    volume = nib.Nifti1Image(image, AFFINE)
    volume.header["descrip"] = b"smith, john"
    volume.header["aux_file"] = b"smith.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(volume, path)
