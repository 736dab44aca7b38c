"""Edits that cannot be done are one clear line."""

import numpy as np
import pytest

from samr_jax.data import edits
from samr_jax.data.edits.recipe import Recipe
from samr_jax.runtime.errors import InputError
from tests.data.edits.edit_cases import round_head

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "edit: empty"),
        ("seed=7", "edit: empty"),
        ("dx=5", "'dx=5', expected edit:parameter=value"),
        ("grow:tumor=2", "'grow' is unknown, expected scale, remove"),
        ("scale", "scale: no label"),
        ("scale:tumor=big", r"scale: tumor=big, expected a number in \[0.01, 100\]"),
        ("scale:tumor=0", "scale: tumor=0, expected"),
        ("scale:edema=carried", "scale: no label, expected"),
        ("scale:tumor=2,edema=kept", "scale: edema=kept, expected a number"),
        ("scale:tumor=nan", "scale: tumor=nan, expected"),
        ("scale:tumour=2", "parameter 'tumour' is unknown, expected lesion, edema"),
        ("scale:tumor=2,tumor=3", "tumor is given twice"),
        ("scale:tumor", "'scale:tumor', expected edit:parameter=value"),
        ("rotate", "rotate: parameter 'degrees' is missing"),
        ("move:dx=inf", "dx=inf, expected"),
        ("mirror:axis=x", "parameter 'axis' is unknown, expected none"),
        ("deform:mm=9,scale=12", r"mm=9, expected a number in \[0, 4\]"),
        ("remove:part=skull", "part=skull, expected one of edema"),
        ("mirror,seed=-1", "seed=-1, expected a whole number"),
        ("mirror,seed=x", "seed=x, expected a whole number"),
        ("replace", "replace: parameter 'donor' is missing"),
        ("recombine", "recombine: no donor"),
        ("scale:cavity=2", r"scale \(edit 1\): labels: no cavity, expected some"),
        ("remove,rotate:degrees=5", r"rotate \(edit 2\): labels: no lesion"),
        (
            "scale:lesion=50",
            "a label of .* voxels would leave the brain, expected at most",
        ),
        ("move:dx=30", "of the lesion would leave the brain, expected at most 20 %"),
        ("move:dx=400", "100 % of the lesion would leave the brain"),
        ("move:dz=5", "dz=5 on a slice, expected a volume"),
        ("replace:donor=X", "donor 'X' is not given, expected one of: healthy, small"),
        ("replace:donor=small", r"shape \(8, 8\), expected \(64, 64\)"),
        ("replace:donor=healthy", "donor healthy: no lesion"),
        ("recombine:tumor=healthy", "donor healthy: no tumor"),
        ("insert:donor=healthy", "a lesion, expected a healthy brain"),
    ],
)
def test_what_cannot_be_done_is_one_line(text, message):
    labels = round_head(lesion=8, centre=(32, 36))
    donors = {"healthy": np.minimum(labels, 1), "small": labels[:8, :8]}
    with pytest.raises(InputError, match=message) as refusal:
        edits.apply(text, labels, spacing=(1, 1), donors=donors)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("labels", "spacing", "message"),
    [
        (np.zeros((8, 8), int), (1, 1), "every one is background"),
        (np.full((8, 8), 7), (1, 1), "label value 7, expected 0 to 4"),
        (np.ones(8, int), (1,), r"shape \(8,\), expected"),
        (np.ones((8, 8), int), (1, 1, 1), "expected 2 positive millimetres"),
        (np.ones((8, 8), int), (1, 0), "expected 2 positive millimetres"),
    ],
)
def test_labels_that_are_none(labels, spacing, message):
    with pytest.raises(InputError, match=message):
        edits.apply("remove", labels, spacing=spacing)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "not a recipe"),
        ({"edits": []}, "empty"),
        ({"edits": ["mirror"]}, "step 'mirror', expected an object"),
        ({"edits": [{"edit": "mirror"}], "sed": 1}, "field 'sed'"),
        ({"edits": [{"edit": "mirror"}], "seed": True}, "seed=True"),
        ({"edits": [{"edit": "scale", "tumor": "2"}]}, "tumor=2, expected a number"),
        ({"edits": [{"edit": "scale", "tumor": True}]}, "tumor=True, expected"),
        ({"edits": [{"edit": "replace", "donor": 3}]}, "donor=3, expected a name"),
        ({"edits": [{"edit": "remove", "part": []}]}, r"part=\[\], expected one of"),
        ({"edits": [{"edit": ["mirror"]}]}, "is unknown, expected scale"),
    ],
)
def test_json_that_is_no_recipe(content, message):
    with pytest.raises(InputError, match=message):
        Recipe.from_json(content)
