"""Sets of further training data: what is in them, and where it came from."""

import dataclasses
import json
import re

import nibabel as nib
import numpy as np
import pytest

from samr_jax.data.dataset import open_dataset
from samr_jax.data.edits import Recipe, apply
from samr_jax.data.head_transforms import Warp, apply_warp
from samr_jax.data.nifti import read_labels, read_volume
from samr_jax.data.phantom.healthy import draw_anatomy
from samr_jax.data.stacks import Stack, Stacks, background
from samr_jax.data.tissue import fit_to_brain
from samr_jax.data.window import unpack
from samr_jax.inference.augment import (
    geometric_set,
    mixed,
    synthesized_set,
)
from samr_jax.inference.brains import draw_brains, told_maps
from samr_jax.inference.edited_masks import draw_masks
from samr_jax.inference.export import export
from samr_jax.inference.given_lesions import read_lesions
from samr_jax.labels import (
    BACKGROUND,
    CAVITY,
    EDEMA,
    LESION_LABELS,
    NORMAL,
    TUMOR,
    preset,
    remap,
)
from samr_jax.prepare.find.layouts import find_subjects
from samr_jax.prepare.subject.register import rotation
from samr_jax.pretrained.load import PACKAGE
from samr_jax.runs.model import DATASET_COPY, load_model
from samr_jax.runtime.errors import InputError
from tests.inference.test_anatomy import random_model


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained)


@pytest.fixture(scope="module")
def further(model, dataset, tmp_path_factory):
    """As many synthesized volumes as training patients, and one more."""
    output = tmp_path_factory.mktemp("sets") / "synthesized"
    count = len(dataset.splits["train"]) + 1
    return synthesized_set(model, dataset, output, count=count, seed=3, batch_size=4)


def stored(dataset, split):
    return {(i["subject"], i["slice"]): i for i in dataset.split(split)}


def test_masks_are_of_training_patients_each_once_before_any_twice(dataset):
    training = dataset.splits["train"]
    masks = draw_masks(dataset, count=len(training) + 1, seed=3)
    assert sorted(mask.patient for mask in masks[:-1]) == sorted(training)
    fewer = draw_masks(dataset, count=2, seed=3)
    assert [str(m.recipe) for m in fewer] == [str(m.recipe) for m in masks[:2]]
    other = draw_masks(dataset, count=2, seed=4)
    assert [str(m.recipe) for m in other] != [str(m.recipe) for m in fewer]
    donors = {name for mask in masks for name in mask.recipe.donors}
    assert donors and donors <= set(training)


def test_a_synthesized_set_can_be_told_and_replayed(further, model, dataset):
    provenance = further.provenance
    assert provenance["synthesized"] and further.simulated
    assert provenance["method"] == "CG-SAMR"
    assert provenance["masks_of"] == dataset.content_hash
    assert set(further.splits["train"]) == set(provenance["recipes"])
    assert further.splits["test"] == further.splits["val"] == ()
    stacks = Stacks(dataset, "train")
    masks = {name: stacks[name].labels for name in stacks.names}
    for name, record in provenance["recipes"].items():
        record = dict(record)
        patient = record.pop("patient")
        replayed = apply(
            Recipe.from_json(record),
            masks[patient],
            spacing=dataset.grid.spacing[::-1],
            donors={other: m for other, m in masks.items() if other != patient},
        )
        np.testing.assert_array_equal(Stacks(further, "train")[name].labels, replayed)


@pytest.fixture
def lesions(dataset, tmp_path):
    """Two masks in BraTS codes, in other voxels than the dataset's."""
    rows, columns = dataset.grid.size
    affine = dataset.grid.affine @ np.diag([0.5, 0.5, 1, 1])
    for name, (code, reach) in {"one": (1, 12), "two": (4, 8)}.items():
        mask = np.zeros((2 * columns, 2 * rows, dataset.grid.slices), np.uint8)
        mask[columns - reach : columns + reach, rows - reach : rows + reach, 1] = 2
        mask[columns - 4 : columns + 4, rows - 4 : rows + 4, 1] = code
        nib.save(nib.Nifti1Image(mask, affine), tmp_path / f"{name}.nii.gz")
    return tmp_path


def test_given_lesions_take_the_place_of_the_patients_own(
    lesions, model, dataset, tmp_path
):
    given = read_lesions([str(lesions)], "brats2021")
    output = tmp_path / "set"
    made = synthesized_set(model, dataset, output, count=4, seed=0, lesions=given)
    assert made.provenance["lesions_of"] == given.digest
    stacks, brains = Stacks(made, "train"), Stacks(dataset, "train")
    seen = set()
    for name, record in made.provenance["recipes"].items():
        (edit,) = record["edits"]
        assert edit["edit"] == "replace"
        seen.add(edit["donor"])
        labels, own = stacks[name].labels, brains[record["patient"]].labels
        code, reach = {"one": (CAVITY, 6), "two": (TUMOR, 4)}[edit["donor"]]
        drawn = np.zeros_like(labels)
        middle = labels.shape[1] // 2
        inside = slice(middle - reach, middle + reach)
        drawn[1, inside, inside] = EDEMA
        drawn[1, middle - 2 : middle + 2, middle - 2 : middle + 2] = code
        inside = (own != BACKGROUND) & (drawn > 0)
        np.testing.assert_array_equal(labels[inside], drawn[inside])
        assert set(labels[~inside]) <= {BACKGROUND, NORMAL}
    assert seen == {"one", "two"}


def test_lesions_are_known_by_their_content_and_place(lesions, dataset):
    given = read_lesions([str(lesions)], "brats2021")
    assert read_lesions([str(lesions / "*.nii.gz")], "brats2021").digest == given.digest
    assert read_lesions([str(lesions / "one.nii.gz")], "brats2021") != given
    other = read_lesions([str(lesions)], "brats2021-necrosis-as-tumor")
    assert other.digest != given.digest


def test_lesions_that_leave_the_slices_are_named(lesions, dataset, caplog):
    mask = nib.load(lesions / "one.nii.gz")
    deep = np.repeat(np.asarray(mask.dataobj)[..., 1:2], mask.shape[2], axis=2)
    nib.save(nib.Nifti1Image(deep, mask.affine), lesions / "one.nii.gz")
    given = read_lesions([str(lesions)], "brats2021")
    given.on_grid_of(dataset)
    assert not caplog.messages
    affine = dataset.grid.affine.copy()
    affine[:3, 3] += affine[:3, 2]  # The lowest slice of the lesion is outside.
    grid = dataclasses.replace(dataset.grid, affine=affine)
    given.on_grid_of(dataclasses.replace(dataset, grid=grid))
    (message,) = caplog.messages
    assert re.search(r"one\.nii\.gz: \d+\.\d ml of a lesion of \d+\.\d ml", message)
    affine = dataset.grid.affine.copy()
    affine[2, 3] += 500
    grid = dataclasses.replace(dataset.grid, affine=affine)
    with pytest.raises(InputError, match=r"one\.nii\.gz: no lesion in the dataset's"):
        given.on_grid_of(dataclasses.replace(dataset, grid=grid))


def test_lesions_outside_the_atlas_brain_are_refused(lesions, dataset):
    given = read_lesions([str(lesions)], "brats2021")
    affine = dataset.grid.affine.copy()
    affine[:3, 3] += 14 * affine[:3, 0]  # the lesion is at the edge of the slice
    grid = dataclasses.replace(dataset.grid, affine=affine)
    with pytest.raises(InputError, match="% of the lesion lies in the atlas's brain"):
        given.on_grid_of(dataclasses.replace(dataset, grid=grid))


@pytest.mark.slow
def test_masks_in_mni_space_are_carried_to_where_the_atlas_is(tmp_path):
    """The packaged atlas lies in MNI space; here it is turned, resized and moved."""
    pytest.importorskip("ants")
    packaged = open_dataset(PACKAGE / DATASET_COPY)
    ball = np.linalg.norm(np.indices((40, 40, 40)) - 19.5, axis=0) < 18
    to_mni = np.eye(4)
    to_mni[:3, 3] = (10.0, -40.0, 0.0)
    mask = nib.Nifti1Image(EDEMA * ball.astype(np.uint8), to_mni)
    nib.save(mask, tmp_path / "ball.nii.gz")
    expected = read_lesions([str(tmp_path)], "samr").on_grid_of(packaged)["ball"]
    motion = np.diag([0.92, 0.92, 0.92, 1.0]) @ rotation(0, np.radians(12))
    motion[:3, 3] = (-120.0, 125.0, 70.0)
    grid = dataclasses.replace(packaged.grid, affine=motion @ packaged.grid.affine)
    moved = dataclasses.replace(packaged, grid=grid)
    given = read_lesions([str(tmp_path)], "samr", "mni")
    found = given.on_grid_of(moved)["ball"]
    both = np.count_nonzero((found > 0) & (expected > 0))
    assert 2 * both / (np.count_nonzero(found) + np.count_nonzero(expected)) > 0.85
    assert given.digest != read_lesions([str(tmp_path)], "samr").digest


def test_synthesized_images_are_the_networks(further, model, dataset):
    name = further.splits["train"][0]
    stack = Stacks(further, "train")[name]
    atlas = Stacks(dataset, "train").atlas
    images = model.synthesize({"labels": stack.labels, "atlas": atlas}).images
    brain = (stack.labels != BACKGROUND)[..., None]
    images = np.where(brain, images, background(dataset))
    np.testing.assert_allclose(stack.images, images, atol=1 / 32767)
    np.testing.assert_allclose(further.atlas, dataset.atlas, atol=1e-4)


@pytest.mark.parametrize("brains", ["own", "subjects", "simulated"])
def test_brains_are_drawn_apart_from_lesions(dataset, further, tmp_path, brains):
    """The network sees the mask of one subject and the fitted maps of another brain."""
    model = random_model(dataset, "anatomy")
    output, count = tmp_path / "set", 2
    made = synthesized_set(model, dataset, output, count=count, seed=3, brains=brains)
    stacks, own = Stacks(dataset, "train"), Stacks(made, "train")
    for name in own.names:
        record, brain = (
            made.provenance["recipes"][name],
            made.provenance["brains"][name],
        )
        assert record == further.provenance["recipes"][name]  # whatever the brains are
        if brains == "simulated":
            maps = draw_anatomy(brain["simulated_seed"], grid=dataset.grid)
        else:
            assert (brain["subject"] == record["patient"]) == (brains == "own")
            maps = stacks[brain["subject"]].tissue / np.float32(255)
        labels = own[name].labels
        if brains != "own":
            maps = fit_to_brain(maps, labels > 0)
        stored = {"labels": labels, "atlas": stacks.atlas, "tissue": maps}
        images = model.synthesize(stored).images
        images = np.where(labels[..., None] > 0, images, background(dataset))
        np.testing.assert_allclose(own[name].images, images, atol=1e-4)


def test_brains_follow_the_seed_and_are_never_the_patients_own():
    names = ["a", "b", "c", "d"]
    patients = names * 5
    for brains in ("subjects", "simulated"):
        drawn = draw_brains(patients, names, brains=brains, seed=1)
        assert draw_brains(patients[:7], names, brains=brains, seed=1) == drawn[:7]
        assert draw_brains(patients, names, brains=brains, seed=2) != drawn
        pairs = set(zip(patients, drawn, strict=True))
        assert len(pairs) > len(names)  # n lesions times m brains
        assert all(patient != brain for patient, brain in pairs)
    with pytest.raises(InputError, match="one training subject, expected two"):
        draw_brains(["a"], ["a"], brains="subjects", seed=0)


def test_a_slice_without_the_other_brain_keeps_the_patients_own(dataset):
    stacks = Stacks(dataset, "train")
    patient, other = (stacks[name] for name in stacks.names[:2])
    other.tissue[0] = 0
    held = {patient.subject: patient, other.subject: other}
    maps = told_maps(other.subject, held, patient.subject, patient.labels)
    brain = patient.labels > 0
    expected = np.stack([patient.tissue[0], *other.tissue[1:]]) / np.float32(255)
    np.testing.assert_allclose(maps, fit_to_brain(expected, brain), atol=1e-6)
    assert maps[0].any()


def test_brains_are_refused_where_they_would_have_no_effect(model, dataset, tmp_path):
    for brains, message in (
        ("subjects", "brains subjects: CG-SAMR is told no individual's anatomy"),
        ("mine", "brains 'mine', expected one of own, subjects, simulated"),
    ):
        with pytest.raises(InputError, match=message):
            options = {"count": 1, "seed": 0, "brains": brains}
            synthesized_set(model, dataset, tmp_path / "a", **options)


def test_a_mix_is_real_where_it_should_be(further, dataset, tmp_path):
    mix = mixed(dataset, further, tmp_path / "mix", volumes=2)
    assert mix.splits["train"] == (
        *dataset.splits["train"],
        *sorted(further.splits["train"])[:2],
    )
    for split in ("train", "val", "test"):
        real, ours = stored(dataset, split), stored(mix, split)
        assert set(real) <= set(ours)
        for key, item in real.items():
            np.testing.assert_array_equal(ours[key]["labels"], item["labels"])
            difference = unpack(ours[key]["images"]) - unpack(item["images"])
            assert np.abs(difference).max() <= 1.01 / 32767
            np.testing.assert_array_equal(ours[key]["atlas"], item["atlas"])
    assert mix.provenance["synthesized"]
    assert mix.provenance["real"] == dataset.content_hash
    assert mix.provenance["further"]["hash"] == further.content_hash
    again = mixed(dataset, further, tmp_path / "again", volumes=2)
    assert again.content_hash == mix.content_hash
    with pytest.raises(InputError, match="volumes, expected 9"):
        mixed(dataset, further, tmp_path / "c", volumes=9)


def test_a_set_can_take_the_place_of_the_real_training_subjects(
    further, dataset, tmp_path
):
    alone = mixed(dataset, further, tmp_path / "alone", volumes=2, with_real=False)
    assert list(alone.splits["train"]) == sorted(further.splits["train"])[:2]
    assert alone.splits["test"] == dataset.splits["test"]
    assert alone.provenance["source"].startswith("0 real training subjects and 2")
    ours, theirs = stored(alone, "train"), stored(further, "train")
    for key, item in ours.items():
        np.testing.assert_array_equal(item["images"], theirs[key]["images"])


def test_sets_are_refused_where_they_would_mislead(model, dataset, further, tmp_path):
    with pytest.raises(InputError, match="not the dataset that CG-SAMR was trained"):
        synthesized_set(model, further, tmp_path / "a", count=1, seed=0)


def test_the_control_holds_real_volumes_moved(dataset, tmp_path):
    count = len(dataset.splits["train"]) + 1
    control = geometric_set(dataset, tmp_path / "g", count=count, seed=0)
    warps = control.provenance["warps"]
    assert len({w["degrees"] for w in warps.values()}) == count
    patients = [warps[name]["patient"] for name in sorted(warps)]
    assert sorted(patients[:-1]) == sorted(dataset.splits["train"])
    stacks, moved = Stacks(dataset, "train"), Stacks(control, "train")
    for name, warp in warps.items():
        before, after = stacks[warp["patient"]], moved[name]
        for code in (1, *LESION_LABELS):
            sizes = [np.sum(s.labels == code) for s in (before, after)]
            expected = sizes[0] * warp["scale"] ** 2
            assert sizes[1] == pytest.approx(expected, rel=0.2, abs=8)
    fewer = geometric_set(dataset, tmp_path / "f", count=2, seed=0)
    assert fewer.provenance["warps"] == dict(sorted(warps.items())[:2])


def test_warps_do_what_they_say():
    """Against flips, rolls and quarter turns of the array."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (2, 16, 16)).astype(np.uint8)
    images = rng.uniform(-1, 1, (2, 16, 16, 1)).astype(np.float32)
    images[labels == 0] = -1
    stack = Stack("a", labels, images, None)
    nothing = {"mirrored": False, "degrees": 0.0, "scale": 1.0, "shift": (0.0, 0.0)}
    cases = {
        "nothing": ({}, lambda a: a),
        "mirror": ({"mirrored": True}, lambda a: a[:, :, ::-1]),
        "turn": ({"degrees": 90.0}, lambda a: np.rot90(a, 1, (1, 2))),
        "shift": ({"shift": (3.0, -2.0)}, lambda a: np.roll(a, (3, -2), (1, 2))),
    }
    inner = (slice(None), slice(4, 12), slice(4, 12))
    for name, (change, expected) in cases.items():
        out = apply_warp(Warp(**{**nothing, **change}), stack, background=[-1.0])
        wanted = expected(labels)[inner]
        np.testing.assert_array_equal(out.labels[inner], wanted, err_msg=name)
        np.testing.assert_allclose(
            out.images[inner], expected(images)[inner], atol=1e-5, err_msg=name
        )


def test_export_for_nnunet_reads_back(further, tmp_path):
    output = tmp_path / "Dataset501_Test"
    names = export(further, output, layout="nnunet")
    assert sorted(names) == sorted(further.splits["train"])
    description = json.loads((output / "dataset.json").read_text())
    assert description["channel_names"] == {"0": "T1w", "1": "APTw"}
    assert description["labels"]["tumor"] == 4
    assert description["numTraining"] == len(names)
    assert "simulated and synthesized" in description["description"]
    provenance = json.loads((output / "provenance.json").read_text())
    assert provenance["dataset_hash"] == further.content_hash
    assert provenance["provenance"]["recipes"].keys() == set(names)
    stacks = Stacks(further, "train")
    stack = stacks[names[0]]
    labels = nib.load(output / "labelsTr" / f"{names[0]}.nii.gz")
    np.testing.assert_array_equal(np.transpose(labels.dataobj, (2, 1, 0)), stack.labels)
    np.testing.assert_allclose(labels.affine, further.grid.affine)
    units = further.restore(names[0], stack.images)[..., 1]
    image = nib.load(output / "imagesTr" / f"{names[0]}_0001.nii.gz")
    np.testing.assert_allclose(
        np.transpose(image.dataobj, (2, 1, 0)),
        np.where(stack.labels == BACKGROUND, 0, units),
        atol=1e-4,
    )


@pytest.mark.parametrize("layout", ["brats2021", "brats2023"])
def test_export_in_brats_layout_is_found_by_our_own_reader(further, tmp_path, layout):
    names = export(further, tmp_path / "out", layout=layout)
    found = find_subjects(tmp_path / "out")
    assert found.layout == layout
    assert sorted(raw.name for raw in found.subjects) == sorted(names)
    stacks = Stacks(further, "train")
    for raw in found.subjects:
        stack = stacks[raw.name]
        codes = read_labels(raw.files["labels"]).data
        ours = remap(codes, preset(found.labels), source="test")
        wanted = np.where(stack.labels == 1, BACKGROUND, stack.labels)
        np.testing.assert_array_equal(np.transpose(ours, (2, 1, 0)), wanted)
        image = read_volume(raw.files["T1w"]).data
        units = further.restore(raw.name, stack.images)[..., 0]
        inside = stack.labels != BACKGROUND
        np.testing.assert_allclose(
            np.transpose(image, (2, 1, 0))[inside], units[inside], rtol=1e-4, atol=1e-2
        )


@pytest.mark.parametrize(
    "name, layout, message",
    [
        ("out", "nnunet", "expected such as Dataset501_Glioma"),
        ("out", "dicom", "layout 'dicom' is unknown"),
        (".", "brats2021", "exists already"),
    ],
)
def test_export_refuses_in_one_line(dataset, tmp_path, name, layout, message):
    (tmp_path / "something").touch()
    with pytest.raises(InputError, match=message):
        export(dataset, tmp_path / name, layout=layout)
