"""Checks of the JSON files that this package writes and reads again.

A file may have been damaged, or edited by hand, since it was written. A check says what
a place in a file has to hold. It is a function of the place's name and of the value
there, and raises an `InputError` that names the place, what was found, and what was
expected:

    subject = fields({"age": NUMBER}, optional={"note": TEXT})
    read_record("subjects.json", each(subject))

    subjects.json: sub-01.age is 'x', expected a number
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json

Check = Callable[[str, Any], None]

LARGEST = 1e100
"""Largest number that is accepted. The square of this number is still finite."""


def read_record(path: Path | str, check: Check) -> Any:
    """The content of a JSON file that passes a check.

    Raises:
      InputError: the file cannot be read, or one of its fields is missing or damaged.
    """
    content = read_json(path)
    try:
        check("", content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply, expected a record") from None
    return content


def value(expected: str, fits: Callable[[Any], bool]) -> Check:
    """A check of one value.

    Args:
      expected: what the value should be, for the error.
      fits: whether a value is that.
    """

    def check(place: str, found: Any) -> None:
        if not fits(found):
            raise InputError(
                f"{place or 'the content'} is {_shown(found)}, expected {expected}"
            )

    return check


NUMBER = value("a number", lambda x: type(x) in (int, float) and -LARGEST < x < LARGEST)
COUNT = value("a whole number, 0 or more", lambda x: type(x) is int and 0 <= x < 2**53)
TEXT = value("a text", lambda x: isinstance(x, str))
SWITCH = value("true or false", lambda x: isinstance(x, bool))
_OBJECT = value("an object with fields", lambda x: isinstance(x, dict))
_LIST = value("a list", lambda x: isinstance(x, list))


def anything(place: str, found: Any) -> None:
    """Accepts every value."""


def tree(place: str, found: Any) -> None:
    """Accepts objects and lists of any depth, whose leaves are numbers that can be
    averaged, texts, true, false or null."""
    if isinstance(found, dict):
        each(tree)(place, found)
    elif isinstance(found, list):
        list_of(tree)(place, found)
    elif found is not None and not isinstance(found, bool | str):
        NUMBER(place, found)


def or_null(check: Check) -> Check:
    """A check that accepts null, too."""

    def accepts(place: str, found: Any) -> None:
        if found is not None:
            check(place, found)

    return accepts


def fields(
    required: Mapping[str, Check], *, optional: Mapping[str, Check] | None = None
) -> Check:
    """A check of an object with known fields; further ones are a `tree`."""
    known = {**required, **(optional or {})}

    def check(place: str, found: Any) -> None:
        _OBJECT(place, found)
        for name in required:
            if name not in found:
                raise InputError(f"{_inside(place, name)} is missing")
        for name, inner in found.items():
            known.get(name, tree)(_inside(place, name), inner)

    return check


def each(check: Check) -> Check:
    """A check of an object with any names, whose values all pass a check."""

    def accepts(place: str, found: Any) -> None:
        _OBJECT(place, found)
        for name, inner in found.items():
            check(_inside(place, name), inner)

    return accepts


def list_of(check: Check, length: int | None = None) -> Check:
    """A check of a list whose items all pass a check, and of its length if given."""

    def accepts(place: str, found: Any) -> None:
        _LIST(place, found)
        if length is not None and len(found) != length:
            raise InputError(
                f"{place or 'the content'} has {len(found)} items, expected {length}"
            )
        for index, inner in enumerate(found):
            check(_inside(place, str(index)), inner)

    return accepts


def _inside(place: str, name: str) -> str:
    name = ascii(name)[1:-1]
    return f"{place}.{name}" if place else name


def _shown(found: Any) -> str:
    """A value, as JSON writes it and not longer than a few words."""
    if isinstance(found, dict):
        return "an object" if found else "an empty object"
    if isinstance(found, list):
        return "a list" if found else "an empty list"
    return reprlib.repr(found) if isinstance(found, str) else json.dumps(found)[:40]
