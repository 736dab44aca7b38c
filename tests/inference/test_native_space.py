"""Synthesis in the space and units of a patient's scan."""

import dataclasses
import hashlib
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import resample_from_to

from samr_jax.data import nifti
from samr_jax.data.dataset import DESCRIPTION
from samr_jax.data.nifti import Volume, write_volume
from samr_jax.data.window import fit_window
from samr_jax.inference.native_space import find_native
from samr_jax.inference.patient import parse_reference, synthesize_for_patient
from samr_jax.inference.volumes import synthesize_volume
from samr_jax.inference.written import write_volumes
from samr_jax.labels import remap
from samr_jax.prepare.subject.landmarks import PERCENTILES
from samr_jax.runs.model import load_model
from samr_jax.runtime.errors import InputError
from tests.commands import launch
from tests.prepare.skulls import motion

OWN = [0.0, 640.0]
"""The window of the recorded patient's T1w."""


@pytest.fixture(scope="module")
def model(trained):
    """A trained model whose data were not aligned with the template."""
    model = load_model(trained)
    dataset = dataclasses.replace(model.dataset, simulated=False)
    return dataclasses.replace(model, dataset=dataset)


@pytest.fixture(scope="module")
def mask(model, dataset):
    """A test subject's labels on the grid of the training data."""
    labels = np.stack([item["labels"] for item in dataset.split("test")])
    return Volume(np.transpose(labels, (2, 1, 0)), dataset.grid.affine, "mask")


@pytest.fixture(scope="module")
def here(model, mask):
    """What is synthesized for it in the space of the training data."""
    return synthesize_volume(model, mask)


def _scan(path, shape, affine, seed=0):
    values = np.random.default_rng(seed).integers(1, 900, shape).astype(np.float32)
    write_volume(path, values, affine)
    return path


def _record(folder, dataset, scan, from_dataset):
    """The prepared dataset of a patient who was scanned elsewhere."""
    folder.mkdir()
    shutil.copytree(dataset.directory / "atlas", folder / "atlas")
    fields = json.loads((dataset.directory / DESCRIPTION).read_text())
    fields["subject_windows"]["sub-0001_ses-01"] = {"T1w": OWN}
    (folder / DESCRIPTION).write_text(json.dumps(fields))
    image = nib.load(scan)
    place = {"shape": image.shape, "affine": image.affine.tolist()}
    record = {
        "scans": {"T1w": {**place, "from_dataset": from_dataset.tolist()}},
        "sha256": {"T1w": hashlib.sha256(scan.read_bytes()).hexdigest()},
        "landmarks": {},
    }
    records = {"sub-0001_ses-01": record}
    (folder / "subjects.json").write_text(json.dumps(records))
    return folder


@pytest.fixture
def patient(dataset, tmp_path):
    """A recorded patient: the scan, on the training grid but moved, and the record."""
    move = motion((9, -5, 12), (20, -7, 4))
    shape = (32, 32, dataset.grid.slices)
    scan = _scan(tmp_path / "any name.nii.gz", shape, move @ dataset.grid.affine)
    return scan, _record(tmp_path / "prepared", dataset, scan, move)


def test_mask_drawn_on_the_scan_is_synthesized_on_its_voxels(
    model, mask, here, patient
):
    scan, prepared = patient
    affine = nib.load(scan).affine
    drawn = dataclasses.replace(mask, affine=affine)
    lines = []
    there = synthesize_for_patient(
        model, drawn, [str(scan)], prepared=prepared, log=lines.append
    )
    np.testing.assert_allclose(there.images, here.images, atol=0.5)
    np.testing.assert_array_equal(there.labels, here.labels)
    np.testing.assert_array_equal(there.affine, affine)
    assert lines == [
        f"{scan}: its preparation is on record; in the patient's units: T1w"
    ]


def test_a_mask_drawn_on_the_scan_is_translated_once(
    model, mask, here, patient, monkeypatch
):
    scan, prepared = patient
    codes = np.array([0, 9, 2, 1, 4], np.int16)[np.where(mask.data == 1, 0, mask.data)]
    as_read = Volume(codes, nib.load(scan).affine, "brats")
    calls = []

    def count(labels, *rest, **options):
        calls.append(labels)
        return remap(labels, *rest, **options)

    monkeypatch.setattr(nifti, "remap", count)
    drawn = nifti.in_our_codes(as_read, "brats2021")
    there = synthesize_for_patient(model, drawn, [str(scan)], prepared=prepared)
    assert len(calls) == 1
    lesion = mask.data > 1
    np.testing.assert_array_equal(there.labels[lesion], here.labels[lesion])


def test_what_was_synthesized_elsewhere_is_carried_to_the_scan(
    model, mask, here, dataset, tmp_path
):
    """nibabel interpolates to the same values, away from the edge of the brain."""
    move = motion((3, -2, 8), (11, 5, -6))
    affine = move @ dataset.grid.affine @ np.diag([0.8, 0.8, 0.5, 1])
    scan = _scan(tmp_path / "scan.nii.gz", (40, 40, 7), affine)
    prepared = _record(tmp_path / "prepared", dataset, scan, move)
    there = synthesize_for_patient(model, mask, [str(scan)], prepared=prepared)
    moved = move @ dataset.grid.affine
    inner = resample_from_to(
        nib.Nifti1Image((here.labels > 0).astype(np.float32), moved),
        ((40, 40, 7), affine),
        order=1,
    ).get_fdata()
    inner = inner > 0.999
    expected = resample_from_to(
        nib.Nifti1Image(here.images[..., 0], moved), ((40, 40, 7), affine), order=1
    ).get_fdata()
    assert inner.sum() > 1000
    np.testing.assert_allclose(
        there.images[..., 0][inner], expected[inner], rtol=1e-3, atol=1
    )
    assert set(np.unique(there.labels)) == set(np.unique(here.labels))
    assert (there.images[there.labels == 0] == 0).all()
    assert there.confidence.shape == (40, 40, 7, 2)


def test_recorded_patient_gets_the_units_of_the_record(
    model, mask, here, patient, tmp_path
):
    scan, prepared = patient
    drawn = dataclasses.replace(mask, affine=nib.load(scan).affine)
    volume = synthesize_for_patient(model, drawn, [str(scan)], prepared=prepared)
    window = model.dataset.windows["T1w"]
    factor = OWN[1] / (window.high - window.low)
    write_volumes(volume, model, tmp_path / "out")
    found = nib.load(tmp_path / "out" / "T1w.nii.gz").get_fdata()
    expected = here.images[..., 0] * factor - window.low * factor
    inside = here.labels > 0
    np.testing.assert_allclose(found[inside], expected[inside].clip(0), atol=1)
    percent = nib.load(tmp_path / "out" / "APTw.nii.gz").get_fdata()
    np.testing.assert_allclose(percent, here.images[..., 1], atol=0.02)


def test_record_of_another_dataset_is_not_used(model, patient):
    """The same file may have been prepared for another dataset, in another space."""
    scan, prepared = patient
    assert find_native(scan, {}, model.dataset, prepared=prepared).recorded
    other = dataclasses.replace(model.dataset, content_hash="another")
    native = find_native(scan, {}, other, prepared=prepared)
    assert not native.recorded
    np.testing.assert_array_equal(native.from_dataset, np.eye(4))


@pytest.mark.parametrize("standard", [False, True])
def test_named_scan_gives_its_unit(model, mask, dataset, tmp_path, standard):
    scan = _scan(tmp_path / "t1.nii.gz", mask.data.shape, mask.affine)
    marks = np.linspace(10, 400, len(PERCENTILES)) ** 1.1
    if standard:
        provenance = {"standard": {"scales": {"T1w": marks.tolist()}}}
        changed = dataclasses.replace(model.dataset, provenance=provenance)
        model = dataclasses.replace(model, dataset=changed)
    volume = synthesize_for_patient(model, mask, [f"T1w={scan}"])
    image = volume.images[..., 0]
    values = nib.load(scan).get_fdata()
    healthy = ~np.isin(mask.data, (2, 3, 4))
    if standard:
        own = np.percentile(values[healthy], PERCENTILES)
        known = (image > marks[0]) & (image < marks[-1])
        expected = np.interp(image, marks, own)
    else:
        window, own = model.dataset.windows["T1w"], fit_window("T1w", values, healthy)
        known = image > window.low
        expected = own.restore(window.normalise(image))
    assert known.sum() > 100
    found = volume.in_own_units("T1w")
    np.testing.assert_allclose(found[known], expected[known], rtol=1e-3, atol=0.1)
    assert (volume.in_own_units("APTw") == volume.images[..., 1]).all()


def test_single_precision_of_an_affine_loses_no_slice(model, mask, here):
    moved = mask.affine * (1 + 1e-7)
    moved[3, 3] = 1
    volume = synthesize_volume(model, dataclasses.replace(mask, affine=moved))
    np.testing.assert_allclose(volume.images, here.images, atol=0.5)


def test_reference_items():
    path, named = parse_reference(["T1w=a.nii", "FLAIR=b.nii"], ("T1w", "FLAIR"))
    assert str(path) == "a.nii" and set(named) == {"T1w", "FLAIR"}
    path, named = parse_reference(["a.nii"], ("T1w",))
    assert str(path) == "a.nii" and named == {}
    for items in (["a.nii", "b.nii"], ["T9=a.nii"], ["T1w=a.nii", "b.nii"]):
        with pytest.raises(InputError, match=r"expected SCAN or SEQUENCE=SCAN,\.\.\."):
            parse_reference(items, ("T1w",))


def _far(path, mask):
    affine = mask.affine.copy()
    affine[:3, 3] += 300
    return _scan(path, mask.data.shape, affine)


def _damaged(path, mask):
    _scan(path, mask.data.shape, mask.affine)
    path.write_bytes(path.read_bytes()[:500])
    return path


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path, mask: path, "no such file, expected a NIfTI volume"),
        (_damaged, "unreadable"),
        (
            lambda path, mask: _scan(path, (4, 4, 4, 2), mask.affine),
            "shape .4, 4, 4, 2",
        ),
        (_far, "0 % of the lesion lies in this scan, expected at least 80 %"),
    ],
)
def test_unusable_scans_are_refused(model, mask, tmp_path, make, message):
    path = make(tmp_path / "scan.nii.gz", mask)
    with pytest.raises(InputError, match=f"{path}: {message}"):
        synthesize_for_patient(model, mask, [str(path)])


def test_named_scans_lie_on_the_first_ones_voxels(model, mask, tmp_path):
    first = _scan(tmp_path / "first.nii.gz", mask.data.shape, mask.affine)
    other = _scan(tmp_path / "other.nii.gz", (8, 8, 8), mask.affine)
    with pytest.raises(InputError, match=r"other.nii.gz: grid 8 x 8 x 8 .*first"):
        synthesize_for_patient(model, mask, [f"APTw={first}", f"T1w={other}"])


@pytest.mark.slow
def test_command(trained, mask, patient, tmp_path):
    """The run's config says where its dataset lies, and there the patient is found."""
    scan, prepared = patient
    run = shutil.copytree(trained, tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    config["config"]["data.dir"] = str(prepared)
    (run / "config.json").write_text(json.dumps(config))
    write_volume(tmp_path / "mask.nii.gz", mask.data, nib.load(scan).affine)
    done = launch(
        "synthesize",
        f"--workdir={run}",
        f"--mask={tmp_path / 'mask.nii.gz'}",
        f"--reference={scan}",
        f"--output={tmp_path / 'out'}",
    )
    assert done.returncode == 0, done.stderr
    assert "its preparation is on record" in done.stdout
    found = nib.load(tmp_path / "out" / "T1w.nii.gz")
    np.testing.assert_allclose(found.affine, nib.load(scan).affine, atol=1e-4)
