"""Sections of volumes in three directions, and their pictures."""

import numpy as np
import pytest
from matplotlib.image import imread

from samr_jax.evaluation.drawing import figures
from samr_jax.evaluation.drawing.figures import sections_figure
from samr_jax.evaluation.drawing.sections import sections
from samr_jax.evaluation.drawing.tiles import Tile, draw_grid
from samr_jax.labels import NORMAL, TUMOR

pytestmark = pytest.mark.quick


@pytest.fixture
def labels():
    """A brain whose tumor has its largest sections at slice 2, row 9 and column 5."""
    labels = np.full((6, 20, 16), NORMAL, np.uint8)
    labels[2, 7:11, 5:8] = labels[1:4, 9, 5:8] = labels[1:4, 7:11, 5] = TUMOR
    return labels


def test_sections_go_through_most_of_the_lesion(labels):
    found = sections(labels, (4.0, 1.0, 2.0))
    assert [each.index for each in found] == [2, 9, 5]
    assert [each.name for each in found] == ["axial", "coronal", "sagittal"]
    assert [each.tall for each in found] == [0.5, 2.0, 4.0]
    volume = np.stack(np.indices(labels.shape), -1)
    axial, coronal, sagittal = (each.of(volume) for each in found)
    np.testing.assert_array_equal(axial, volume[2])
    assert coronal[0, 0].tolist() == [5, 9, 0]  # top of the head, the patient's right
    assert sagittal[0, 0].tolist() == [5, 0, 5]  # top of the head, anterior
    assert sagittal[-1, -1].tolist() == [0, 19, 5]


def test_sections_without_a_lesion_show_most_brain(labels):
    brain = np.zeros_like(labels)
    brain[3, 4:8, 6:9] = brain[4, 5, 6] = NORMAL
    assert [each.index for each in sections(brain, (1, 1, 1))] == [3, 5, 6]


def test_pixels_are_stretched_to_millimetres(tmp_path):
    """Ten rows of 8 mm below eighty rows of 1 mm, as bright as nothing else."""
    flat = Tile(np.full((10, 80), 1.0), tall=8.0)
    path = tmp_path / "a.png"
    draw_grid(
        [("", [Tile(np.full((80, 80), -1.0))]), ("", [flat])],
        columns=[""],
        path=path,
        title="",
        simulated=False,
    )
    white = (imread(path)[..., :3] == 1).all(-1)
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    assert len(rows) == pytest.approx(len(columns), abs=2)
    assert white.any(1).sum() * white.any(0).sum() == white.sum()


def test_real_sections_stand_above_synthesized_ones(labels, tmp_path, monkeypatch):
    drawn = []

    def draw(rows, **_):
        drawn.extend(rows)

    monkeypatch.setattr(figures, "draw_grid", draw)
    real = np.random.default_rng(0).uniform(-1, 1, (*labels.shape, 2))
    sections_figure(
        labels,
        {"real": real, "synthesized": -real},
        spacing=(4.0, 1.0, 1.0),
        sequences=("T1w", "FLAIR"),
        path=tmp_path / "a.png",
        simulated=True,
        title="",
    )
    names, rows = zip(*drawn, strict=True)
    directions = ("axial", "coronal", "sagittal")
    assert names == tuple(
        f"{name}\n{each}" for each in directions for name in ("real", "synthesized")
    )
    assert [row[0].sides for row in rows[::2]] == [("R", "L"), ("R", "L"), ("A", "P")]
    assert [tile.tall for tile in rows[2]] == [4.0] * 3
    np.testing.assert_array_equal(rows[4][2].image, real[::-1, :, 5, 1])
    np.testing.assert_array_equal(rows[5][2].image, -real[::-1, :, 5, 1])
