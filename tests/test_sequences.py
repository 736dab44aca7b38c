"""One record adds a sixth sequence, cerebral blood flow, and every part uses it."""

import dataclasses
import functools

import numpy as np
import pytest
from matplotlib.figure import Figure

from samr_jax.data.atlas import brain_of
from samr_jax.data.nifti import write_volume
from samr_jax.data.splits import split_subjects
from samr_jax.data.window import Window, fit_window, unpack
from samr_jax.data.write import write_dataset
from samr_jax.evaluation.drawing.figures import dataset_sheet
from samr_jax.evaluation.drawing.tiles import image_tile
from samr_jax.labels import NORMAL
from samr_jax.prepare.options import Steps
from samr_jax.prepare.pipeline import prepare
from samr_jax.prepare.subject import prepare_subject
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import KNOWN, SEQUENCES, MRSequence
from tests.prepare.small_subjects import AFFINE, SHAPE, TARGET
from tests.tiny import GRID, blob_subject

pytestmark = pytest.mark.quick

CBF = MRSequence(
    "CBF",
    window=(0.0, 100.0),
    unit="ml/100 g/min",
    anatomic=False,
    colours="viridis",
    bids="cbf",
)
"""Cerebral blood flow, a map with a fixed window of its own."""


@pytest.fixture(autouse=True)
def perfusion(monkeypatch):
    monkeypatch.setitem(KNOWN, "CBF", CBF)


def test_the_papers_five_are_known_and_others_count_as_anatomic():
    assert all(MRSequence.named(name).name == name for name in SEQUENCES)
    maps = [name for name in SEQUENCES if not MRSequence.named(name).anatomic]
    assert maps == ["APTw"] and MRSequence.named("APTw").label == "APTw (%)"
    other = MRSequence.named("T1map_custom")
    assert other.anatomic and other.window is None and other.bids == "T1map_custom"


def test_a_map_needs_a_window():
    with pytest.raises(InputError, match="sequence CBF: a quantitative map without a"):
        dataclasses.replace(CBF, window=None)


def test_its_window_is_fixed():
    image = np.linspace(0, 60, 50)
    assert fit_window("CBF", image, image > 9) == Window(0.0, 100.0)
    assert fit_window("T1w", image, image > 9).high < 60


def _flow(index, sequences):
    """A subject whose CBF is 20 ml/100 g/min in the brain, and more in lesions."""
    subject = blob_subject(index, sequences, GRID)
    subject.images[..., -1] = 20.0 * subject.labels
    return subject


@pytest.mark.parametrize("common_units", [True, False])
def test_a_dataset_keeps_its_unit(tmp_path, common_units):
    sequences = ("T1w", "APTw", "CBF")
    names = [f"blob-{index}" for index in range(4)]
    dataset = write_dataset(
        tmp_path / "out",
        [functools.partial(_flow, index, sequences) for index in range(4)],
        grid=GRID,
        sequences=sequences,
        splits=split_subjects(names, seed=0),
        common_units=common_units,
        workers=1,
    )
    item = dataset.split("train")[0]
    assert dataset.windows["CBF"] == Window(0.0, 100.0)
    np.testing.assert_allclose(
        dataset.restore(item["subject"], unpack(item["images"]))[..., 2],
        20.0 * item["labels"],
        atol=0.01,
    )


def test_an_atlas_of_it_alone_does_not_show_the_brain():
    with pytest.raises(InputError, match="CBF alone, which does not show the brain"):
        brain_of(np.zeros((1, 8, 8, 3)), ("CBF",))


def test_it_is_black_outside_the_brain():
    labels = np.array([[0, NORMAL]])
    tile = image_tile(np.zeros((1, 2)), "CBF", labels)
    assert tile.image.mask.tolist() == [[True, False]] and tile.colours == "viridis"


@pytest.mark.parametrize(
    "sequences, expected",
    [
        (("T1w", "FLAIR"), {}),
        (("T1w", "CBF"), {"CBF (ml/100 g/min)": (0, 100)}),
        (("APTw", "CBF"), {"APTw (%)": (-5, 5), "CBF (ml/100 g/min)": (0, 100)}),
    ],
)
def test_its_colours_are_explained(tmp_path, monkeypatch, sequences, expected):
    """Each map has a colour bar with its unit, inside the picture and apart."""
    figures = []

    def keep(figure, path, **_):
        figures.append(figure)
        path.touch()

    monkeypatch.setattr(Figure, "savefig", keep)
    instance = {
        "subject": "a",
        "labels": np.full((16, 16), NORMAL),
        "images": np.zeros((16, 16, 2), np.int16),
    }
    path = tmp_path / "a.png"
    dataset_sheet([instance], sequences=sequences, path=path, simulated=False)
    grid, *bars = figures[0].axes
    assert {bar.get_ylabel(): bar.get_ylim() for bar in bars} == expected
    figures[0].draw_without_rendering()
    right = grid.get_window_extent().x1
    for bar in bars:  # from left to right
        box = bar.get_tightbbox()
        assert right < box.x0 and box.x1 <= figures[0].bbox.x1
        right = box.x1


def _write_scans(root, index):
    """A skull-stripped subject in BIDS: three units for T1w, one for CBF."""
    rng = np.random.default_rng(index)
    middle = (np.array(SHAPE) - 1)[:, None, None, None] / 2
    x, y, z = np.indices(SHAPE) - middle
    brain = (x / 11) ** 2 + (y / 13) ** 2 + (z / 9) ** 2 < 1
    name = f"sub-{index}"
    scans = {
        "T1w": brain * rng.uniform(100, 1000, SHAPE) * (1 + index % 3),
        "cbf": brain * (40.0 + index / 1000),
    }
    for suffix, image in scans.items():
        write_volume(root / name / "anat" / f"{name}_{suffix}.nii.gz", image, AFFINE)
    labels = np.zeros(SHAPE, np.uint8)
    labels[11:15, 13:17, 9:13] = 4
    derived = root / "derivatives" / "lesion" / name / "anat"
    write_volume(derived / f"{name}_dseg.nii.gz", labels, AFFINE)


def test_preparation_leaves_its_values_alone(tmp_path, monkeypatch):
    """Bias correction and standardisation change the T1w image and not the map."""
    corrected = []

    def bias_field(image, brain, affine, *, source):
        corrected.append(image.max())
        return np.full(image.shape, 2, np.float32)

    monkeypatch.setattr(prepare_subject, "bias_field", bias_field)
    for index in range(4):
        _write_scans(tmp_path / "raw", index)
    dataset = prepare(
        tmp_path / "raw",
        tmp_path / "out",
        target=TARGET,
        steps=Steps(bias="on", align="off", tissue="off", standardise="on"),
        workers=1,
        log=lambda _: None,
    )
    assert dataset.sequences == ("T1w", "CBF")
    assert len(corrected) == 4 and min(corrected) > 100
    assert set(dataset.provenance["standard"]["scales"]) == {"T1w"}
    item = dataset.split("train")[0]
    found = dataset.restore(item["subject"], unpack(item["images"]))
    inside = item["labels"] != 0
    np.testing.assert_allclose(found[inside, 1], 40.0, atol=0.01)
    assert found[inside, 0].max() < 150  # on the standard scale, not the scanner's
