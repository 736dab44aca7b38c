"""Changes by an edit of the mask, of methods whose images are known."""

import numpy as np
import pytest

from samr_jax.evaluation.baselines import evaluate_trivial
from samr_jax.evaluation.evaluate import evaluate
from samr_jax.evaluation.scores.edits import edit_scores, largest_lesions
from samr_jax.labels import BACKGROUND, NORMAL
from samr_jax.models.generator import Synthesis
from samr_jax.runtime.files import read_json
from tests.stand_ins import Painter


class Spilling(Painter):
    """Paints APTw everywhere by how much of the slice is lesion."""

    def synthesize(self, stored):
        images = super().synthesize(stored).images
        share = (stored["labels"] > NORMAL).mean((1, 2))
        images[..., 1] = share[:, None, None]
        return Synthesis(images, None, None)


def lesions(dataset, split="test"):
    """Labels of the patients' slices with most lesion."""
    return np.stack([item["labels"] for item in largest_lesions(dataset.split(split))])


def test_a_painted_label_changes_where_the_mask_does(dataset, tmp_path):
    """A label is painted 51 brighter than the label below it."""
    result = evaluate(Painter(dataset), dataset, "test", tmp_path, batch_size=2)
    found = read_json(tmp_path / "metrics.json")["edits"]
    labels = lesions(dataset)
    codes = labels[labels > NORMAL].astype(int)
    assert found["inside"] == pytest.approx(51 * np.mean(codes - NORMAL), rel=1e-5)
    assert found["outside"] == found["undone"] == 0
    assert found["patients"] == len(dataset.splits["test"])
    table = (tmp_path / "table.md").read_text()
    assert "| Edit, inside | Edit, outside | Edit undone |" in table
    assert f"| {result['edits']['inside']:.1f} | 0.00 | 0.00 |" in table


def test_a_change_outside_the_lesion_is_seen(dataset, tmp_path):
    result = evaluate(Spilling(dataset), dataset, "test", tmp_path, batch_size=2)
    labels = lesions(dataset)
    share = (labels > NORMAL).mean((1, 2))
    outside = [np.count_nonzero(one == NORMAL) for one in labels]
    expected = 127.5 * np.average(share, weights=outside)
    found = result["edits"]["sequences"]
    assert found["APTw"]["outside"] == pytest.approx(expected, rel=1e-5)
    assert found["T1w"]["outside"] == 0
    assert result["edits"]["outside"] == pytest.approx(expected / 2, rel=1e-5)


def test_an_image_that_is_not_restored_is_seen(dataset):
    """A method that answers differently each time: the third answer is off by .02."""
    answers = []

    def synthesize(instances):
        labels = np.stack([item["labels"] for item in instances])
        answers.append(labels)
        brighter = 0.01 * (len(answers) - 1)
        return np.where(labels == BACKGROUND, -1, brighter)[..., None].repeat(2, -1)

    found = edit_scores(dataset.split("train"), synthesize)
    before, removed, restored = answers
    assert set(np.unique(removed)) == {BACKGROUND, NORMAL}
    np.testing.assert_array_equal(restored, before)
    assert found["undone"] == pytest.approx(0.02 * 127.5)
    assert found["inside"] == pytest.approx(0.01 * 127.5)
    assert found["outside"] == pytest.approx(0.01 * 127.5)


def test_the_slice_with_most_lesion_of_each_patient(dataset):
    class Split(list):
        """Slices of two patients, of whom one has no lesion."""

        dataset = None

    labels = np.full((4, 8, 8), NORMAL)
    labels[0, 0], labels[1, :2], labels[2, 3] = 2, 3, 4
    names = ["b", "b", "b", "a"]
    items = [{"subject": n, "labels": m} for n, m in zip(names, labels, strict=True)]
    (found,) = largest_lesions(Split(items))
    np.testing.assert_array_equal(found["labels"], labels[1])
    assert edit_scores(Split(items[3:]), None) is None


def test_the_painted_atlas_changes_inside_the_lesion_alone(dataset):
    atlas, painted = evaluate_trivial(dataset, "test", batch_size=2).values()
    assert atlas["edits"]["inside"] == atlas["edits"]["outside"] == 0
    assert painted["edits"]["inside"] > 1
    assert painted["edits"]["outside"] == painted["edits"]["undone"] == 0
