"""Checks of JSON files that this package has written."""

import json

import pytest

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.records import (
    COUNT,
    NUMBER,
    SWITCH,
    TEXT,
    each,
    fields,
    list_of,
    or_null,
    read_record,
    tree,
    value,
)

pytestmark = pytest.mark.quick

PERSON = fields(
    {"age": NUMBER, "scans": list_of(COUNT, 2)},
    optional={"note": or_null(TEXT), "tested": SWITCH},
)
GOOD = {"age": 61.5, "scans": [3, 4]}


def refusal(check, content, tmp_path):
    """The line about a file with this content, without the file's name."""
    path = tmp_path / "record.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError) as caught:
        read_record(path, check)
    line = str(caught.value)
    assert len(line.splitlines()) == 1 and line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "more", [{}, {"note": None}, {"note": "x", "tested": True}, {"unknown": [1]}]
)
def test_a_good_record_is_returned_as_it_is(more, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"sub-01": GOOD | more}))
    assert read_record(path, each(PERSON)) == {"sub-01": GOOD | more}


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"age": "x"}, "a.age is 'x', expected a number"),
        ({"age": True}, "a.age is true, expected a number"),
        ({"age": None}, "a.age is null, expected a number"),
        ({"age": float("nan")}, "a.age is NaN, expected a number"),
        ({"age": float("inf")}, "a.age is Infinity, expected a number"),
        ({"age": 1e300}, "a.age is 1e+300, expected a number"),
        ({"weight": float("inf")}, "a.weight is Infinity, expected a number"),
        ({"age": [61.5]}, "a.age is a list, expected a number"),
        ({"scans": {}}, "a.scans is an empty object, expected a list"),
        ({"scans": [1]}, "a.scans has 1 items, expected 2"),
        ({"scans": [1, -1]}, "a.scans.1 is -1, expected a whole number, 0 or more"),
        ({"scans": [1.0, 1]}, "a.scans.0 is 1.0, expected a whole number, 0 or more"),
        ({"note": 1}, "a.note is 1, expected a text"),
        ({"tested": 1}, "a.tested is 1, expected true or false"),
    ],
)
def test_a_wrong_value_is_named(change, expected, tmp_path):
    assert refusal(each(PERSON), {"a": GOOD | change}, tmp_path) == expected


@pytest.mark.parametrize(
    "content, expected",
    [
        ({"a": {"age": 1}}, "a.scans is missing"),
        ({"a\nb": {}}, "a\\nb.age is missing"),
        ([], "the content is an empty list, expected an object with fields"),
        (None, "the content is null, expected an object with fields"),
        ({"a": 3}, "a is 3, expected an object with fields"),
    ],
)
def test_a_record_of_another_form_is_refused(content, expected, tmp_path):
    assert refusal(each(PERSON), content, tmp_path) == expected


@pytest.mark.parametrize("kept", [0, 1, 10, 25])
def test_a_truncated_file_is_refused(kept, tmp_path):
    content = json.dumps({"a": GOOD})[:kept]
    assert "not readable as JSON" in refusal(each(PERSON), content, tmp_path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone\.json: not readable .*No such file"):
        read_record(tmp_path / "gone.json", tree)


def test_deep_nesting_is_refused(tmp_path):
    content = "[" * 900 + "]" * 900
    assert refusal(tree, content, tmp_path) == "nested too deeply, expected a record"
    assert "not readable as JSON" in refusal(tree, "[" * 10**5, tmp_path)


def test_leaves_of_a_tree_can_be_averaged(tmp_path):
    path = tmp_path / "record.json"
    path.write_text('{"a": [1, 2.5, null, {"b": "x", "c": false}]}')
    assert read_record(path, tree)["a"][3] == {"b": "x", "c": False}
    found = refusal(tree, {"a": [1, {"b": float("nan")}]}, tmp_path)
    assert found == "a.1.b is NaN, expected a number"


def test_a_check_of_ones_own(tmp_path):
    even = value("an even number", lambda x: x % 2 == 0)
    assert refusal(list_of(even), [2, 3], tmp_path) == "1 is 3, expected an even number"
