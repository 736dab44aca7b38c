"""Random edits; edits of NIfTI files and the command."""

import json

import nibabel as nib
import numpy as np
import pytest

from samr_jax.data import edits
from samr_jax.data.nifti import Volume, read_labels, write_volume
from samr_jax.labels import CAVITY, EDEMA, NORMAL, TUMOR
from samr_jax.runtime.errors import InputError
from tests.commands import launch
from tests.data.edits.edit_cases import GRID, SPACING, of_slice, patients

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module", name="patients")
def _patients():
    return patients()


def test_random_edits_can_be_repeated_and_replayed(patients):
    labels, others = patients["C"], {n: patients[n] for n in "AD"}
    for jitter in (False, True):
        made = [
            edits.random_edit(
                labels,
                np.random.default_rng(seed),
                spacing=SPACING,
                donors=others,
                jitter=jitter,
            )
            for seed in (0, 1, 2, 0)
        ]
        for recipe, edited in made:
            again = edits.apply(str(recipe), labels, spacing=SPACING, donors=others)
            np.testing.assert_array_equal(again, edited)
            assert (edited != labels).any()
        assert made[0][0] == made[3][0]
        assert len({str(recipe) for recipe, _ in made}) == 3


def test_random_recipes_are_the_papers(patients):
    rng = np.random.default_rng(0)
    recipes = [
        edits.draw_recipe(patients["C"], rng, donors=patients) for _ in range(90)
    ]
    names = [type(recipe.edits[0]).__name__ for recipe in recipes]
    assert {n: names.count(n) > 15 for n in ("Scale", "Replace", "Recombine")} == (
        dict.fromkeys(("Scale", "Replace", "Recombine"), True)
    )
    factors = [r.edits[0].tumor for r in recipes if hasattr(r.edits[0], "factors")]
    assert 0.5 <= min(factors) < 0.65 and 1.6 < max(factors) <= 2.0
    scaled = [r for r in recipes if hasattr(r.edits[0], "factors")]
    assert all("edema=carried" in str(recipe) for recipe in scaled)


def test_random_edits_use_what_there_is(patients):
    rng = np.random.default_rng(0)
    labels, spacing = of_slice(patients["C"])
    no_tumor = np.where(labels == TUMOR, EDEMA, labels)
    healthy = np.minimum(labels, NORMAL)
    recipe, _ = edits.random_edit(no_tumor, rng, spacing=spacing, donors={"h": healthy})
    assert list(recipe.edits[0].factors) == ["lesion"]
    recipe, edited = edits.random_edit(
        healthy, rng, spacing=spacing, donors={"own": labels}
    )
    assert str(recipe).startswith("insert:donor=own")
    np.testing.assert_array_equal(edited, labels)
    with pytest.raises(InputError, match="no lesion and no donor's"):
        edits.random_edit(healthy, rng, spacing=spacing)


def save(path, labels):
    """Labels on `GRID` as NIfTI."""
    write_volume(path, np.transpose(labels, (2, 1, 0)), GRID.affine)
    return str(path)


def test_a_file_of_any_orientation_is_edited_in_the_bodys_axes(patients, tmp_path):
    mask = read_labels(save(tmp_path / "mask.nii.gz", patients["C"]))
    text = "scale:tumor=1.5,move:dx=7,dy=-4,dz=4.4,rotate:degrees=20,deform,seed=3"
    expected = edits.apply(text, patients["C"], spacing=SPACING)
    edited = edits.edit_volume(mask, text).mask
    np.testing.assert_array_equal(edited.data, np.transpose(expected, (2, 1, 0)))
    image = nib.Nifti1Image(mask.data, mask.affine)
    turned = image.as_reoriented([[1, -1], [2, 1], [0, -1]])
    nib.save(turned, tmp_path / "turned.nii.gz")
    edited = edits.edit_volume(read_labels(tmp_path / "turned.nii.gz"), text).mask
    back = nib.Nifti1Image(edited.data, edited.affine).as_reoriented(
        nib.orientations.ornt_transform(
            nib.orientations.io_orientation(edited.affine),
            nib.orientations.io_orientation(mask.affine),
        )
    )
    np.testing.assert_allclose(back.affine, mask.affine, atol=1e-4)
    np.testing.assert_array_equal(back.get_fdata(), np.transpose(expected, (2, 1, 0)))


def test_directions_are_left_posterior_and_superior(tmp_path):
    labels = np.ones((6, 32, 32), np.uint8)
    labels[1:4, 12:18, 10:20] = TUMOR
    affine = np.diag([-2.0, -3.0, 4.0, 1.0])
    write_volume(tmp_path / "mask.nii.gz", np.transpose(labels, (2, 1, 0)), affine)
    mask = read_labels(tmp_path / "mask.nii.gz")
    moved = edits.edit_volume(mask, "move:dx=-10,dy=6,dz=4").mask

    def centre(data):
        points = nib.affines.apply_affine(affine, np.argwhere(data == TUMOR))
        return points.mean(axis=0)

    way = centre(moved.data) - centre(mask.data)  # in RAS+
    np.testing.assert_allclose(way, (10, -6, 4), atol=1e-4)


def test_masks_without_normal_brain_need_a_brain(patients, tmp_path):
    brats = np.array([0, 0, 2, 1, 4])[patients["C"]]
    options = {"mask": save(tmp_path / "seg.nii.gz", brats), "labels": "brats2021"}
    options |= {"edit": "mirror", "output": str(tmp_path / "edited.nii.gz")}
    with pytest.raises(InputError, match=r"seg\.nii\.gz: no normal brain, expected"):
        edits.edit_files(**options)
    brain = save(tmp_path / "brain.nii.gz", patients["C"] > 0)
    edited = edits.edit_files(**options, brain=brain)
    expected = edits.apply("mirror", patients["C"], spacing=SPACING)
    np.testing.assert_array_equal(edited.mask.data, np.transpose(expected, (2, 1, 0)))


@pytest.mark.parametrize("output", ["mask.nii.gz", "recipe.nii", "donor.nii.gz"])
def test_no_input_is_overwritten(patients, tmp_path, output):
    mask = save(tmp_path / "mask.nii.gz", patients["C"])
    donor = save(tmp_path / "donor.nii.gz", patients["A"])
    edit = edits.parse(f"replace:donor={donor}").to_json()
    (tmp_path / "recipe.json").write_text(json.dumps(edit))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="exists already, expected a new file"):
        edits.edit_files(mask, str(tmp_path / "recipe.json"), str(tmp_path / output))
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after == before


def test_donors_have_the_preset_of_the_mask(patients, tmp_path):
    """Necrosis of BraTS 2021 is value 1, which is normal brain among our codes."""
    brats = np.array([0, 0, 2, 1, 4])
    mask = save(tmp_path / "A.nii", brats[patients["A"]])
    donor = save(tmp_path / "C.nii", brats[patients["C"]])
    edited = edits.edit_files(
        mask,
        f"replace:donor={donor}",
        str(tmp_path / "edited.nii"),
        labels="brats2021",
        brain=save(tmp_path / "brain.nii", patients["A"] > 0),
    )
    expected = edits.apply(
        "replace:donor=C", patients["A"], spacing=SPACING, donors=patients
    )
    assert (expected == CAVITY).any()
    np.testing.assert_array_equal(edited.mask.data, np.transpose(expected, (2, 1, 0)))


@pytest.mark.parametrize("digit", [-1e-6, 1e-6])
def test_the_last_digit_of_an_affine_costs_a_donor_no_slice(patients, digit):
    """An affine in NIfTI is in single precision, an affine of an array in double."""
    volumes = {name: np.transpose(patients[name], (2, 1, 0)) for name in "AC"}
    mask = Volume(volumes["A"], GRID.affine, "mask")
    rounded = GRID.affine.copy()
    rounded[:3, 3] += digit
    donor = Volume(volumes["C"], rounded, "donor")
    edited = edits.edit_volume(mask, "replace:donor=C", read_donor=lambda name: donor)
    expected = edits.apply(
        "replace:donor=C", patients["A"], spacing=SPACING, donors=patients
    )
    np.testing.assert_array_equal(edited.mask.data, np.transpose(expected, (2, 1, 0)))


def test_donor_files_come_to_the_masks_grid(patients, tmp_path):
    mask = read_labels(save(tmp_path / "mask.nii.gz", patients["A"]))
    wider = np.pad(patients["C"], ((1, 1), (3, 0), (0, 2)))
    affine = GRID.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ [0, 3, 1]
    donor = tmp_path / "donor.nii.gz"
    write_volume(donor, np.transpose(wider, (2, 1, 0)), affine)
    edited = edits.edit_volume(mask, f"replace:donor={donor}").mask
    expected = edits.apply(
        "replace:donor=C", patients["A"], spacing=SPACING, donors=patients
    )
    np.testing.assert_array_equal(edited.data, np.transpose(expected, (2, 1, 0)))


def test_command_edits_and_replays(patients, tmp_path):
    mask = save(tmp_path / "mask.nii.gz", patients["C"])
    donor = save(tmp_path / "donor.nii.gz", patients["A"])

    def run(name, edit, *more):
        output = tmp_path / f"{name}.nii.gz"
        arguments = [f"--mask={mask}", f"--edit={edit}", f"--output={output}", *more]
        return launch("edit", *arguments), output

    done, first = run("first", "random,seed=5", f"--donors={donor}")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "first.json").read_text())
    assert done.stdout.strip() == record["about"]["text"]
    _, second = run("second", tmp_path / "first.json")
    assert first.read_bytes() == second.read_bytes()
    done, third = run("third", "move:dx=400")
    assert done.error.startswith("error: move (edit 1): 100 % of the lesion")
    assert done.stderr.splitlines()[-1] == done.error and not third.exists()
