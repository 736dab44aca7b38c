"""The paper's figures from several runs, with stand-ins for networks."""

import numpy as np
import pytest
from matplotlib.image import imread

from samr_jax.evaluation import paper_figures as comparison
from samr_jax.evaluation.drawing import side_by_side
from samr_jax.evaluation.paper_figures import MANIPULATIONS, draw_figure, load_models
from samr_jax.labels import LESION_LABELS, TUMOR
from samr_jax.runtime.errors import InputError
from tests.stand_ins import Both, Painter, Segmenter


@pytest.fixture
def grids(monkeypatch):
    """Rows of the grids that are drawn, by name, in place of pictures."""
    drawn = []

    def draw_grid(rows, *, columns, path, title, simulated, sequences):
        assert simulated and "APTw" in sequences and columns[0] == "mask"
        assert {len(tiles) for _, tiles in rows} == {len(columns)}
        drawn.append([(name.partition("\n")[0], tiles) for name, tiles in rows])

    monkeypatch.setattr(side_by_side, "draw_grid", draw_grid)
    return drawn


def names(rows):
    return [name for name, _ in rows]


def test_figure_6_has_every_method_and_its_zoom(dataset, grids, tmp_path):
    models = {"A": Painter(dataset), "B": Both(dataset)}
    draw_figure("6", models, dataset, tmp_path / "a.png")
    (rows,) = grids
    assert names(rows) == ["real", "zoom", "A", "zoom", "B", "zoom", "B"]
    shown = Painter(dataset).synthesize({"labels": rows[0][1][0].image[None]}).images
    np.testing.assert_array_equal(rows[2][1][1].image, shown[0, ..., 0])
    assert rows[2][1][0] is None and rows[2][1][1].box is not None
    assert (rows[-1][1][1].image == 0.5).all()


def test_figure_8_shows_what_is_found_in_the_real_images(dataset, grids, tmp_path):
    draw_figure("8", {"B": Both(dataset)}, dataset, tmp_path / "a.png", count=2)
    (rows,) = grids
    assert names(rows) == ["real", "B", "B"] * 2
    item = dataset.split("test")[0]
    found = Segmenter(dataset).segment({"images": item["images"][None]}).argmax(-1)
    assert any(np.array_equal(tiles[0].image, found[0]) for _, tiles in rows[1::3])
    with pytest.raises(InputError, match="A: cannot do what figure 8 shows"):
        draw_figure("8", {"A": Painter(dataset)}, dataset, tmp_path / "a.png")


def test_error_maps_are_the_differences(dataset, grids, tmp_path):
    draw_figure("errors", {"A": Painter(dataset)}, dataset, tmp_path / "a.png")
    (rows,) = grids
    (_, real), (_, error) = rows
    level = (real[0].image + 0.5) / 5 * 2 - 1
    np.testing.assert_allclose(error[1].image, np.abs(level - real[1].image), atol=1e-6)


def test_figure_7_shows_each_manipulation(dataset, grids, tmp_path):
    draw_figure(
        "7", {"A": Painter(dataset)}, dataset, tmp_path / "a.png", split="train"
    )
    (rows,) = grids
    assert names(rows) == ["real", "synthesized", *MANIPULATIONS]
    masks = [tiles[0].image for _, tiles in rows]
    sizes = [np.sum(mask == TUMOR) for mask in masks]
    assert sizes[0] == sizes[1]
    assert sizes[2] == pytest.approx(2 * sizes[0], rel=0.06)
    assert sizes[3] == pytest.approx(0.5 * sizes[0], rel=0.06)
    lesions = [np.isin(mask, LESION_LABELS) for mask in masks]
    assert not np.array_equal(lesions[4], lesions[0])
    for _, tiles in rows[1:]:
        level = (tiles[0].image + 0.5) / 5 * 2 - 1
        np.testing.assert_allclose(tiles[1].image, level, atol=1e-6)
    with pytest.raises(InputError, match="figure 7 of 2 runs, expected one"):
        models = {"A": Painter(dataset), "B": Painter(dataset)}
        draw_figure("7", models, dataset, tmp_path / "a.png")


def test_a_figure_is_written(dataset, tmp_path):
    models = {"A": Painter(dataset), "B": Both(dataset)}
    draw_figure("6", models, dataset, tmp_path / "a.png")
    height, width, _ = imread(tmp_path / "a.png").shape
    assert height == pytest.approx(7 * 1.03 * 160 + 65, abs=6)
    assert width > 3 * 160


def test_runs_of_other_data_are_refused(dataset, monkeypatch, tmp_path):
    import dataclasses

    other = dataclasses.replace(dataset, content_hash="other")
    held = {"a": dataset, "b": dataset, "c": other}
    monkeypatch.setattr(
        comparison, "load_model", lambda workdir: Painter(held[workdir.name])
    )
    models = load_models([tmp_path / "a", tmp_path / "b"], dataset)
    assert list(models) == ["Painter", f"Painter ({tmp_path.name}/b)"]
    with pytest.raises(InputError, match="c: trained on dataset other, expected"):
        load_models([tmp_path / "a", tmp_path / "c"], dataset)
    with pytest.raises(InputError, match="figure '9', expected one of 6, 7, 8, err"):
        draw_figure("9", models, dataset, tmp_path / "a.png")
