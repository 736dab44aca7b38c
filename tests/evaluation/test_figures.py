"""Pictures, read back from their files."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from samr_jax.data.window import pack
from samr_jax.evaluation.drawing.charts import calibration_chart
from samr_jax.evaluation.drawing.figures import (
    comparison_figure,
    dataset_sheet,
    lesion_box,
    synthesis_sheet,
)
from samr_jax.evaluation.drawing.tiles import Tile, draw_grid, image_tile
from samr_jax.evaluation.scores.calibration import confidence_calibration
from samr_jax.labels import BACKGROUND, CAVITY, EDEMA, NORMAL, TUMOR
from samr_jax.sequences import SEQUENCES

pytestmark = pytest.mark.quick

GOLD, RED = (255, 215, 0), (255, 0, 0)
LIME = (164, 252, 59)  # the middle of the colour map 'turbo': 0 % of APTw


@pytest.fixture
def heads():
    """Two slices, brain in the middle, the second one without a lesion."""
    rng = np.random.default_rng(0)
    labels = np.zeros((2, 48, 48), np.uint8)
    labels[:, 8:40, 8:40] = NORMAL
    labels[0, 16:24, 20:30] = EDEMA
    labels[0, 18:22, 22:28] = TUMOR
    images = rng.uniform(-1, 1, (2, 48, 48, 5)).astype(np.float32)
    images[labels == BACKGROUND] = [-1, -1, -1, -1, 0]
    confidence = rng.uniform(0.1, 1, (2, 24, 24, 5)).astype(np.float32)
    instances = [
        {"subject": f"sub-{i}", "labels": label, "images": pack(image)}
        for i, (label, image) in enumerate(zip(labels, images, strict=True))
    ]
    return instances, images, labels, confidence


def pixels(path):
    return np.round(imread(path)[..., :3] * 255).astype(int)


def has(picture, colour):
    return (picture == colour).all(-1).any()


def compare(heads, path, sequences=SEQUENCES, **options):
    instances, images, _, confidence = heads
    chosen = slice(len(sequences))
    instances = [
        item | {"images": item["images"][..., chosen], "labels": item["labels"]}
        for item in instances
    ]
    comparison_figure(
        instances,
        np.clip(images[..., chosen] + 0.1, -1, 1),
        confidence[..., chosen],
        sequences=sequences,
        path=path,
        title="CG-SAMR",
        **{"simulated": True, **options},
    )
    return pixels(path)


@pytest.mark.parametrize("height", [160, 256])
def test_tiles_are_shown_pixel_by_pixel(tmp_path, height):
    """From the height of a tile on, a picture's pixel is an image's pixel."""
    image = np.random.default_rng(1).integers(1, 256, (height, height))
    draw_grid(
        [("row", [Tile(image, (0, 255))])],
        columns=["column"],
        path=tmp_path / "a.png",
        title="",
        simulated=False,
    )
    picture = pixels(tmp_path / "a.png")[..., 0]
    # matplotlib's "gray" is off by one for some of the 256 levels.
    differences = [
        np.abs(picture[top : top + height, left : left + height] - image).max()
        for top in range(picture.shape[0] - height + 1)
        for left in range(picture.shape[1] - height + 1)
        if abs(picture[top, left] - image[0, 0]) <= 1
    ]
    assert min(differences) <= 1


def test_small_images_are_enlarged(tmp_path):
    instances = [
        {
            "subject": "a",
            "labels": np.full((16, 16), TUMOR),
            "images": pack(np.zeros((16, 16, 1))),
        }
    ]
    path = tmp_path / "a.png"
    dataset_sheet(instances, sequences=("T1w",), path=path, simulated=False)
    assert (pixels(path) == GOLD).all(-1).sum() == pytest.approx(160**2, rel=0.02)


def test_aptw_is_black_outside_the_brain():
    labels = np.array([[BACKGROUND, NORMAL]])
    tile = image_tile(np.zeros((1, 2)), "APTw", labels)
    assert tile.image.mask.tolist() == [[True, False]]
    gray = image_tile(np.zeros((1, 2)), "T1w", labels)
    assert not np.ma.is_masked(gray.image)


def test_aptw_is_in_colour_and_the_other_sequences_are_not(heads, tmp_path):
    instances, _, labels, _ = heads
    flat = [item | {"images": pack(np.zeros((48, 48, 1)))} for item in instances]
    for sequence, coloured in {"APTw": True, "T1w": False}.items():
        path = tmp_path / f"{sequence}.png"
        dataset_sheet(flat, sequences=(sequence,), path=path, simulated=False)
        picture = pixels(path)
        brain = (labels != BACKGROUND).mean() * 2 * 160**2
        share = (np.abs(picture - LIME).max(-1) <= 3).sum() / brain
        assert share == pytest.approx(1.0 if coloured else 0.0, abs=0.05)


def test_comparison_has_a_row_for_each_thing_asked(heads, tmp_path):
    everything = compare(heads, tmp_path / "all.png")
    plain = compare(heads, tmp_path / "plain.png", zoom=False, error=False)
    # Two slices of real, synthesized, error, 1 - c; one of them zoomed twice.
    row = 160 * 1.03
    assert everything.shape[0] - plain.shape[0] == pytest.approx(4 * row, abs=2)
    assert plain.shape[0] == pytest.approx(6 * row + 65, abs=6)


def test_the_zoomed_region_is_framed(heads, tmp_path):
    assert has(compare(heads, tmp_path / "a.png", ("T1w",)), RED)
    assert not has(compare(heads, tmp_path / "b.png", ("T1w",), zoom=False), RED)


@pytest.mark.parametrize("sequences", [("T1w",), SEQUENCES[:4], SEQUENCES])
def test_any_number_of_sequences(heads, tmp_path, sequences):
    assert has(compare(heads, tmp_path / "a.png", sequences), GOLD)


def test_synthesis_sheet_works_without_confidence(heads, tmp_path):
    _, images, labels, confidence = heads
    heights = []
    for maps in (None, confidence):
        path = tmp_path / "a.png"
        synthesis_sheet(
            labels,
            images,
            maps,
            heights=(-4.0, 12.0),
            sequences=SEQUENCES,
            path=path,
            simulated=True,
            title="Synthesis",
        )
        heights.append(pixels(path).shape[0])
    assert heights[1] - heights[0] == pytest.approx(2 * 160 * 1.03, abs=2)


def test_synthesis_sheet_says_where_it_is(heads, tmp_path, monkeypatch):
    """Sides and heights are named, and there is nothing outside the field of view."""
    _, images, labels, confidence = heads
    words = []
    add = Axes.text
    monkeypatch.setattr(
        Axes,
        "text",
        lambda *given, **style: words.append(given[3]) or add(*given, **style),
    )
    options = {"sequences": SEQUENCES, "simulated": True, "title": "Synthesis"}
    for name, maps in (("inside", confidence), ("outside", 0 * confidence)):
        path = tmp_path / f"{name}.png"
        synthesis_sheet(labels, images, maps, heights=(-4.4, 12), path=path, **options)
    assert words.count("R") == words.count("L") == 4
    assert {"synthesized\nz = -4 mm", "synthesized\nz = 12 mm"} <= set(words)
    inside, outside = (
        pixels(tmp_path / f"{name}.png") for name in ("inside", "outside")
    )
    changed = (inside != outside).any(-1)
    assert changed.any() and (outside[changed] == 0).all()


@pytest.mark.parametrize("simulated", [True, False])
def test_pictures_of_simulated_data_say_so(heads, tmp_path, monkeypatch, simulated):
    instances, images, labels, confidence = heads
    titles = []
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda figure, path, **_: (
            titles.append(figure.get_suptitle()),
            path.touch(),
        ),
    )
    common = {"path": tmp_path / "a.png", "simulated": simulated}
    grid = {**common, "sequences": SEQUENCES}
    dataset_sheet(instances, **grid)
    synthesis_sheet(labels, images, confidence, heights=(0, 1), title="S", **grid)
    comparison_figure(instances, images, confidence, title="C", **grid)
    calibration_chart(calibrated(), title="K", **common)
    end = " (simulated data)" if simulated else ""
    assert titles == [name + end for name in ("Dataset", "S", "C", "K")]


def test_a_picture_appears_whole_or_not_at_all(heads, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    compare(heads, path)
    before = path.read_bytes()

    def break_down(figure, partial, **_):
        partial.write_bytes(b"half")
        raise RuntimeError("interrupted")

    monkeypatch.setattr(Figure, "savefig", break_down)
    with pytest.raises(RuntimeError, match="interrupted"):
        compare(heads, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_lesion_box_is_a_square_around_the_lesion():
    rng = np.random.default_rng(2)
    for _ in range(50):
        labels = np.full((40, 30), NORMAL)
        row, column = rng.integers(0, 36), rng.integers(0, 24)
        labels[row : row + 4, column : column + 6] = CAVITY
        rows, columns = lesion_box(labels)
        assert rows.stop - rows.start == columns.stop - columns.start == 12
        assert (labels[rows, columns] == CAVITY).sum() == (labels == CAVITY).sum()
        assert min(rows.start, columns.start) >= 0
        assert rows.stop <= 40
        assert columns.stop <= 30


def calibrated():
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.2, 1, (2, 16, 16, 2))
    errors = np.abs(rng.laplace(scale=0.1 / confidence))
    return confidence_calibration(
        confidence, errors, sequences=("T1w", "T2w"), lambda_cm=0.1
    )


def test_calibration_chart_is_drawn(tmp_path):
    path = tmp_path / "folder" / "a.png"
    calibration_chart(calibrated(), path=path, title="Calibration", simulated=True)
    picture = pixels(path)
    assert picture.shape[:2] == (480, 1080)
    assert has(picture, (31, 119, 180))  # the first sequence's line
