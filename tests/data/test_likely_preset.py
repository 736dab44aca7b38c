"""Masks whose values are those of another protocol than was said."""

import os
from pathlib import Path

import numpy as np
import pytest

from samr_jax.data.likely_preset import check_normal_brain, likely_preset
from samr_jax.data.nifti import read_labels
from samr_jax.labels import PRESETS
from samr_jax.pretrained.load import MASK, PACKAGE
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def ours():
    """A whole mask in our codes, with all five labels."""
    labels = read_labels(PACKAGE / MASK).data
    assert set(np.unique(labels)) == {0, 1, 2, 3, 4}
    return labels


def in_values_of(name, labels):
    """A mask of ours as an annotator of another protocol would have stored it."""
    values = {code: value for value, code in reversed(PRESETS[name].items())}
    lookup = np.array([values[0], values.get(1, 0), *(values[i] for i in (2, 3, 4))])
    return lookup[labels]


@pytest.mark.parametrize("name", ["samr", "brats2021", "brats2023"])
def test_a_mask_in_the_said_values_is_not_told(ours, name):
    values = in_values_of(name, ours)
    assert likely_preset(values, name) is None
    for index in np.flatnonzero((ours > 1).any(axis=(0, 1))):
        assert likely_preset(values[..., index], name) is None, index


@pytest.mark.parametrize("name", ["brats2021", "brats2023"])
def test_values_of_brats_read_as_ours(ours, name):
    values = in_values_of(name, ours)
    assert likely_preset(values, "samr") == name
    with pytest.raises(InputError, match=r"m\.nii: normal brain .* --labels=brats2021"):
        check_normal_brain(values, source="m.nii")
    check_normal_brain(ours, source="m.nii")


def test_ours_read_as_values_of_brats(ours):
    assert likely_preset(ours, "brats2024") == "samr"


def test_of_2021_read_as_2024(ours):
    """The tumor would become a resection cavity."""
    values = in_values_of("brats2021", ours)
    assert likely_preset(values, "brats2024") == "brats2021"
    found = likely_preset(values, "brats2024-necrosis-as-tumor")
    assert found == "brats2021-necrosis-as-tumor"


@pytest.mark.parametrize("values", [[0], [0, 1], [0, 2, 4], [2], [1, 1]])
def test_masks_that_say_nothing(values):
    labels = np.resize(np.array(values, np.int16), (4, 4))
    for name in ("samr", "brats2021"):
        assert likely_preset(labels, name) is None
    check_normal_brain(labels, source="mask")


@pytest.mark.skipif("SAMR_REAL_DATA" not in os.environ, reason="no real patients")
@pytest.mark.parametrize("year", ["brats2021", "brats2024_masks"])
def test_all_real_masks_with_necrosis_are_found(year):
    found = []
    for path in Path(os.environ["SAMR_REAL_DATA"], year).rglob("*seg.nii*"):
        values = read_labels(path).data
        if np.any(values == 1):
            found.append(likely_preset(values, "samr"))
    assert found and all(name is not None for name in found)
