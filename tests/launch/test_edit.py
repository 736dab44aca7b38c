"""The command that edits a mask, as a user types it."""

import nibabel as nib
import numpy as np
import pytest

from samr_jax.data.dataset import open_dataset
from samr_jax.labels import NORMAL
from samr_jax.pretrained.load import MASK, PACKAGE
from tests.commands import launch

pytestmark = pytest.mark.quick


@pytest.fixture
def lesion(tmp_path):
    """The lesion of the packaged example, without normal brain, in codes of BraTS."""
    image = nib.load(PACKAGE / MASK)
    codes = np.array([0, 0, 2, 1, 4], np.uint8)[image.get_fdata().astype(int)]
    path = tmp_path / "seg.nii.gz"
    nib.save(nib.Nifti1Image(codes, image.affine), path)
    return path


def test_a_mask_of_brats_gets_the_brain_of_the_packaged_atlas(lesion, tmp_path):
    dataset = open_dataset(PACKAGE / "dataset")
    brain = np.transpose(dataset.brain, (2, 1, 0)).astype(np.uint8)
    given = tmp_path / "brain.nii.gz"
    nib.save(nib.Nifti1Image(brain, dataset.grid.affine), given)
    flags = [f"--mask={lesion}", "--labels=brats2021", "--edit=scale:tumor=1.5"]
    edited = {}
    for name, further in (("own", [f"--brain={given}"]), ("packaged", [])):
        output = tmp_path / f"{name}.nii.gz"
        done = launch("edit", *flags, *further, f"--output={output}")
        assert done.returncode == 0, done.stderr
        edited[name] = nib.load(output).get_fdata()
    np.testing.assert_array_equal(edited["packaged"], edited["own"])
    assert (edited["packaged"] == NORMAL).any()


def test_a_mask_elsewhere_needs_a_brain(lesion, tmp_path):
    image = nib.load(lesion)
    away = image.affine.copy()
    away[0, 3] += 150
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), away), lesion)
    output = tmp_path / "out.nii.gz"
    flags = [f"--mask={lesion}", "--labels=brats2021", "--edit=mirror"]
    assert "in the atlas's brain" in launch("edit", *flags, f"--output={output}").error
    assert not output.exists()
