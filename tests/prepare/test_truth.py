"""The whole preparation of raw heads with a known truth.

There are two patients in a BIDS folder with T1w, T2w and an APTw slab with its
unsaturated image. Every scan lies in a space of its own and has coil bias, and each
patient has another unit. The first patient needs all steps. The second patient comes
skull-stripped, with the T2w registered and with the user's own tissue maps, so that
these steps have to be left out. The tests print what they measure; the limits leave a
margin.
"""

import json

import numpy as np
import pytest
from scipy import ndimage

from samr_jax.data.nifti import write_volume
from samr_jax.data.resample import resample
from samr_jax.inference.native_space import find_native, native_space
from samr_jax.labels import TISSUES, TUMOR
from samr_jax.prepare.grids import Target
from samr_jax.prepare.options import Steps
from samr_jax.prepare.pipeline import prepare
from tests.prepare import skulls as heads

pytestmark = pytest.mark.slow
pytest.importorskip("ants")

SLAB = {"spacing": (2, 2, 4.4), "box": (200, 232, 79.2)}
SCALES = (1.0, 2.5)
BIAS = 0.12


def _motions(seed):
    """Sequence -> rigid motion from the anatomy to the scanner's space."""
    first = heads.motion((6, -4, 9), (5, -8, 4 + seed))
    return {
        "T1w": first,
        "T2w": first if seed else heads.motion((4, -2, 5), (2, -6, 6)),
        "APTw": heads.motion((1, -1, 2 + seed), (0, -3, 5)),
    }


def _lesion(seed):
    """A tumor in the shape of a ball, on the anatomy's voxels."""
    shape = heads.anatomy(seed)[1].shape
    distance = np.linalg.norm(
        np.stack(np.indices(shape), -1) - (28, 52 + 4 * seed, 50), axis=-1
    )
    return (distance < 7) & heads.anatomy(seed)[1]


def _percent(seed):
    """A smooth map of signed percentages, on the anatomy's voxels."""
    x, y, _ = np.indices(heads.anatomy(seed)[1].shape)
    return (2 * np.sin(x / 20) + np.cos(y / 15)).astype(np.float32)


def _write_patient(root, seed):
    name, motions, scale = f"sub-{seed}", _motions(seed), SCALES[seed]
    folder = root / name / "anat"
    for sequence in ("T1w", "T2w"):
        image, affine = heads.scan(
            sequence, seed=seed, move=motions[sequence], strength=BIAS, scale=scale
        )
        if seed:
            image *= heads.brain_on(image.shape, affine, seed=1, move=motions["T1w"])
        write_volume(folder / f"{name}_{sequence}.nii.gz", image, affine)
    still, affine = heads.scan("T2w", seed=seed, move=motions["APTw"], **SLAB)
    percent = heads.carried(_percent(seed), still.shape, affine, move=motions["APTw"])
    write_volume(folder / f"{name}_APTwref.nii.gz", still, affine)
    write_volume(folder / f"{name}_APTw.nii.gz", percent, affine)
    shape, affine = heads.voxels((2, 2, 2))
    seg = heads.carried(_lesion(seed), shape, affine, move=motions["T1w"]) > 0.5
    derived = root / "derivatives" / "lesion" / name / "anat"
    write_volume(derived / f"{name}_dseg.nii.gz", seg, affine)
    if seed:
        for tissue, share in zip(TISSUES, heads.anatomy(seed)[0], strict=False):
            own = heads.carried(share, shape, affine, move=motions["T1w"]).clip(0, 1)
            write_volume(derived / f"{name}_label-{tissue}_probseg.nii.gz", own, affine)
    table = "index\tname\n0\tBackground\n1\tTumor\n"
    (root / "derivatives" / "dseg.tsv").write_text(table)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """The folder with the scans."""
    folder = tmp_path_factory.mktemp("heads")
    for seed in (0, 1):
        _write_patient(folder, seed)
    return folder


@pytest.fixture(scope="module")
def cohort(raw, tmp_path_factory):
    """The dataset, the records of its subjects, and the lines that were logged."""
    lines = []
    dataset = prepare(
        raw,
        tmp_path_factory.mktemp("prepared") / "out",
        target=Target(size=108),
        atlas="mean",
        steps=Steps(standardise="on"),
        workers=1,
        log=lines.append,
    )
    records = json.loads((dataset.directory / "subjects.json").read_text())
    return dataset, [records[f"sub-000{i}_ses-01"] for i in (1, 2)], lines


def _matrix(record, sequence):
    return np.array(record["scans"][sequence]["from_dataset"])


def _distance(found, truth, place, *, seed):
    """Mean distance in millimetres between two motions of the brain after `place`."""
    _, brain, affine = heads.anatomy(seed)
    points = np.argwhere(brain)[::100] @ affine[:3, :3].T + affine[:3, 3]
    places = place @ np.c_[points, np.ones(len(points))].T
    return np.linalg.norm(((found - truth) @ places)[:3], axis=0).mean()


def _truth(dataset, record, seed, volume):
    """A volume of the anatomy on the dataset's grid, placed as the T1w scan was."""
    to_anatomy = np.linalg.inv(_motions(seed)["T1w"]) @ _matrix(record, "T1w")
    own = heads.reference_brain().grid.affine
    return resample(volume, own, dataset.grid, transform=to_anatomy)


def _arrays(dataset, number):
    """Labels, images and tissue ``(Z, H, W, ...)`` of a subject, and slice indices."""
    name = f"sub-000{number + 1}_ses-01"
    split = next(key for key, names in dataset.splits.items() if name in names)
    slices = dataset.split(split)
    held = [s for s in (slices[i] for i in range(len(slices))) if s["subject"] == name]
    names = ("labels", "images", "tissue", "slice")
    labels, images, tissue, z = (np.stack([s[key] for s in held]) for key in names)
    return labels, images / 32767, tissue / 255, z


def _inside(mask):
    return ndimage.binary_erosion(mask, iterations=2)


def test_steps_are_done_where_they_are_needed(cohort):
    dataset, (first, second), lines = cohort
    assert "2 subjects of layout bids" in lines[0]
    assert dataset.sequences == ("T1w", "T2w", "APTw")
    assert first["registered"] == ["T2w", "APTw"] and first["stripped"]
    assert second["registered"] == ["APTw"] and not second["stripped"]
    for record in (first, second):
        assert record["aligned"] and set(record["bias"]) == {"T1w", "T2w"}


def test_registration_error_is_below_half_a_millimetre(cohort):
    for seed, record in enumerate(cohort[1]):
        motions = _motions(seed)
        for sequence in ("T2w", "APTw"):
            truth = motions[sequence] @ np.linalg.inv(motions["T1w"])
            found = _matrix(record, sequence) @ np.linalg.inv(_matrix(record, "T1w"))
            error = _distance(found, truth, motions["T1w"], seed=seed)
            print("registration", seed, sequence, error)
            assert error < 0.5


def test_brain_and_lesion_are_where_they_were(cohort):
    dataset, records, _ = cohort
    for seed, record in enumerate(records):
        labels, _, _, z = _arrays(dataset, seed)
        brain = _truth(dataset, record, seed, heads.anatomy(seed)[1])[z] > 0.5
        lesion = _truth(dataset, record, seed, _lesion(seed))[z] > 0.5
        print(
            "dice", heads.dice(labels > 0, brain), heads.dice(labels == TUMOR, lesion)
        )
        assert heads.dice(labels > 0, brain) > 0.95
        assert heads.dice(labels == TUMOR, lesion) > 0.85


def test_subjects_are_upright(cohort):
    """Both heads, which were rotated by up to 9 degrees, are upright again."""
    for seed, record in enumerate(cohort[1]):
        turn = np.linalg.inv(_motions(seed)["T1w"]) @ _matrix(record, "T1w")
        angle = np.degrees(np.arccos((np.trace(turn[:3, :3]) - 1) / 2))
        print("angle", angle)
        assert angle < 3


def test_bias_is_removed(cohort):
    dataset, records, _ = cohort
    for seed, record in enumerate(records):
        _, images, _, z = _arrays(dataset, seed)
        white = heads.anatomy(seed)[0][0] > 0.98
        share = _truth(dataset, record, seed, white)[z] > 0.9
        values = dataset.windows["T1w"].restore(images[share][:, 0])
        move = _motions(seed)["T1w"]
        raw, affine = heads.scan("T1w", seed=seed, move=move, strength=BIAS)
        before = raw[heads.carried(white, raw.shape, affine, move=move) > 0.98]
        print("bias", before.std() / before.mean(), values.std() / values.mean())
        assert values.std() / values.mean() < 0.04


def test_units_agree_after_standardisation(cohort):
    dataset, records, _ = cohort
    medians = []
    for seed, record in enumerate(records):
        _, images, _, z = _arrays(dataset, seed)
        white = heads.anatomy(seed)[0][0] > 0.98
        share = _truth(dataset, record, seed, white)[z] > 0.9
        medians.append(np.median(images[share][:, 0] + 1))
    print("medians", medians)
    assert medians[0] == pytest.approx(medians[1], rel=0.05)


def test_tissue_maps(cohort):
    dataset, records, _ = cohort
    for seed, record in enumerate(records):
        labels, _, tissue, z = _arrays(dataset, seed)
        truth = [
            _truth(dataset, record, seed, t)[z] for t in heads.anatomy(seed)[0][:3]
        ]
        healthy = (labels == 1) & (np.sum(truth, axis=0) > 0.9)
        real, found = np.argmax(truth, axis=0), np.argmax(tissue, axis=-1)
        scores = [
            heads.dice((real == k) & healthy, (found == k) & healthy) for k in range(3)
        ]
        print("tissue", scores)
        assert np.all(np.array(scores) > (0.85, 0.85, 0.6))
        np.testing.assert_allclose(tissue[labels > 0].sum(-1), 1, atol=0.02)


def test_percentages_keep_value_and_sign(cohort):
    dataset, records, _ = cohort
    for seed, record in enumerate(records):
        labels, images, _, z = _arrays(dataset, seed)
        truth = _truth(dataset, record, seed, _percent(seed))[z]
        found = dataset.windows["APTw"].restore(images[..., 2])
        inner = _inside(labels > 0) & (found != 0)
        error = np.abs(found - truth)[inner]
        print("percent", error.mean(), np.corrcoef(found[inner], truth[inner])[0, 1])
        assert error.mean() < 0.2
        assert (truth[inner] < -0.5).any()


def test_slices_are_those_that_every_sequence_reaches(cohort):
    dataset, _, _ = cohort
    assert 10 <= dataset.grid.slices <= 18


def test_back_in_the_scanner_the_brain_lies_in_the_scan(cohort):
    dataset, _, _ = cohort
    for seed in (0, 1):
        labels, _, _, z = _arrays(dataset, seed)
        whole = np.zeros((dataset.grid.slices, *labels.shape[1:]), np.uint8)
        whole[z] = labels > 0
        native = native_space(dataset, f"sub-000{seed + 1}_ses-01", "T2w")
        back = native.carry_labels(whole.T, dataset.grid.affine) > 0
        shape, affine = heads.voxels((2, 2, 2))
        truth = heads.brain_on(shape, affine, seed=seed, move=_motions(seed)["T2w"])
        inside = np.mean(truth[back])
        print("back", inside)
        assert back.shape == shape and inside > 0.95


def test_scan_without_a_record_is_placed_by_registration(cohort, raw):
    """The result is nearly the preparation's own placement and unit."""
    dataset, _, _ = cohort
    scan = raw / "sub-1" / "anat" / "sub-1_T1w.nii.gz"
    found = find_native(scan, {"T1w": scan}, dataset)
    known = native_space(dataset, "sub-0002_ses-01", "T1w")
    assert not found.recorded
    error = _distance(found.from_dataset, known.from_dataset, np.eye(4), seed=1)
    units = found.scales["T1w"][1] / known.scales["T1w"][1]
    print("located", error, "units", units)
    assert error < 1
    assert np.abs(np.log(units)).max() < 0.15
