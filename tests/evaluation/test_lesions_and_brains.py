"""One lesion in several brains, several lesions in one brain, and the example."""

import types

import numpy as np
import pytest

from samr_jax.data.slices import Slices
from samr_jax.evaluation.lesions_and_brains import (
    lesion_in_brains,
    lesions_in_brain,
    real_painted_and_synthesized,
)
from samr_jax.labels import BACKGROUND, EDEMA, NORMAL, TUMOR
from samr_jax.runtime.errors import InputError
from tests.stand_ins import Painter


def subject(dataset, name, size, height=3):
    """A square brain with a square lesion of `size` pixels in a corner of the brain."""
    item = dict(dataset.split("test")[0])
    labels = np.zeros_like(item["labels"])
    labels[2:14, 2:14] = NORMAL
    labels[4 : 4 + size, 4 : 4 + size] = EDEMA if size % 2 else TUMOR
    return {**item, "labels": labels, "subject": name, "slice": height}


class Six(list):
    """Slices of six subjects at one height; the fourth has the largest lesion."""

    def __init__(self, dataset):
        sizes = (1, 2, 3, 6, 4, 5)
        names = "abcdef"
        pairs = zip(names, sizes, strict=True)
        super().__init__(subject(dataset, name, size) for name, size in pairs)
        self.dataset = dataset


@pytest.fixture
def six(dataset):
    return Six(dataset)


@pytest.fixture
def models(dataset):
    painter = Painter(dataset)
    painter.method.fields = ("labels", "tissue")
    return {"Painter": painter}


def shown_labels(image):
    """The labels that a `Painter` has painted into T1w."""
    return np.round((image[..., 0] + 1) / 2 * 5 - 0.5).astype(int)


def test_the_largest_lesion_is_put_into_the_brains_of_four_others(six, models):
    real, shown = lesion_in_brains(models, six, 1, 4)
    np.testing.assert_array_equal(real.labels[0], six[3]["labels"])
    assert [s.name for s in shown] == [f"brain of {name}" for name in "abce"]
    for one in shown:
        np.testing.assert_array_equal(one.labels[0] == TUMOR, six[3]["labels"] == TUMOR)
        np.testing.assert_array_equal(shown_labels(one.images[0]), one.labels[0])


def test_the_lesions_of_four_others_are_put_into_one_brain(six, models):
    real, shown = lesions_in_brain(models, six, 1, 4)
    np.testing.assert_array_equal(real.labels[0], six[3]["labels"])
    assert [s.name for s in shown] == [f"lesion of {name}" for name in "abce"]
    for one, place in zip(shown, (0, 1, 2, 4), strict=True):
        np.testing.assert_array_equal(one.labels[0], six[place]["labels"])


def test_a_lesion_that_leaves_the_brain_is_not_put_into_it(six, models):
    six[0]["labels"][4:8] = BACKGROUND
    six[1]["slice"] = 4
    with pytest.raises(InputError, match="3 subjects whose brain holds the lesion"):
        lesion_in_brains(models, six, 1, 4)


def test_the_example_shows_each_subjects_largest_lesion_by_name(dataset, models):
    slices: Slices = dataset.split("train")
    real, (painted, synthesized) = real_painted_and_synthesized(models, slices, 2, 4)
    names = sorted({item["subject"] for item in slices})[:2]
    for labels, name in zip(real.labels, names, strict=True):
        own = [item["labels"] for item in slices if item["subject"] == name]
        assert (labels > NORMAL).sum() == max((mask > NORMAL).sum() for mask in own)
    assert painted.images.shape == synthesized.images.shape == real.images.shape
    np.testing.assert_array_equal(shown_labels(synthesized.images), real.labels)


def test_a_method_that_is_told_no_anatomy_is_refused(six, dataset):
    plain = types.SimpleNamespace(**vars(Painter(dataset)))
    with pytest.raises(InputError, match="Painter is told no individual's anatomy"):
        lesion_in_brains({"Painter": plain}, six, 1, 4)
