"""Settings as frozen dataclasses: what a field may hold is said by its type.

A method file declares its `Settings` in sections, `samr_jax.config` the fields that all
methods share. Both become a config by `leaves_of`, and a config becomes settings again
by `settings_from`, which checks every value on the way.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from samr_jax.labels import LABELS
from samr_jax.runtime.errors import InputError


@dataclasses.dataclass(frozen=True)
class Above:
    """A number's lower bound, which itself is not allowed."""

    bound: float
    expected: str

    def allows(self, value: Any) -> bool:
        return value > self.bound


@dataclasses.dataclass(frozen=True)
class AtLeast:
    """A number's lower bound, which itself is allowed."""

    bound: float
    expected: str

    def allows(self, value: Any) -> bool:
        return value >= self.bound


@dataclasses.dataclass(frozen=True)
class Below:
    """A number's upper bound, which itself is not allowed."""

    bound: float
    expected: str

    def allows(self, value: Any) -> bool:
        return value < self.bound


@dataclasses.dataclass(frozen=True)
class Within:
    """A number's bounds, which themselves are allowed."""

    low: float
    high: float
    expected: str

    def allows(self, value: Any) -> bool:
        return self.low <= value <= self.high


PositiveInt = Annotated[int, Above(0, "a positive number")]
PositiveFloat = Annotated[float, Above(0, "a positive number")]
Count = Annotated[int, AtLeast(0, "0 or more")]
Share = Annotated[float, Within(0, 1, "0 to 1")]
Weight = Annotated[float, AtLeast(0, "0 or more")]
Decay = Annotated[float, AtLeast(0, "0 to below 1"), Below(1, "0 to below 1")]

LabelWeights = tuple[float, ...]
"""A weight for each of `samr_jax.labels.LABELS`."""

T = TypeVar("T")

EQUAL_WEIGHTS: LabelWeights = (1.0,) * len(LABELS)


def leaves_of(settings: Any, prefix: str = "") -> dict[str, Any]:
    """The fields of a dataclass and of the dataclasses in it, by dotted names."""
    leaves: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value, name = getattr(settings, field.name), prefix + field.name
        if dataclasses.is_dataclass(value):
            leaves |= leaves_of(value, f"{name}.")
        else:
            leaves[name] = value
    return leaves


def settings_from(cls: type[T], leaves: Mapping[str, Any], prefix: str = "") -> T:
    """The dataclass `cls` of the leaves below `prefix`; the inverse of `leaves_of`.

    Args:
      cls: a dataclass whose fields are numbers, strings, tuples or such dataclasses.
      leaves: values by dotted names; further names are of other sections.
      prefix: what the names of `cls` begin with.

    Raises:
      InputError: a value is not what the field's type allows.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    values = {}
    for field in dataclasses.fields(cls):
        name, kind = prefix + field.name, hints[field.name]
        if dataclasses.is_dataclass(kind):
            values[field.name] = settings_from(kind, leaves, f"{name}.")
        else:
            check_value(name, kind, leaves[name])
            values[field.name] = leaves[name]
    return cls(**values)


def check_value(name: str, kind: Any, value: Any) -> None:
    """Raises `InputError` unless `value` is what the type `kind` of a field allows."""
    if kind == LabelWeights and len(value) != len(LABELS):
        raise InputError(
            f"config.{name} has {len(value)} numbers, expected {len(LABELS)}, one for "
            "each label"
        )
    if typing.get_origin(kind) is Literal and value not in typing.get_args(kind):
        raise InputError(
            f"config.{name} is {value!r}, expected one of {typing.get_args(kind)}"
        )
    for number in value if isinstance(value, list | tuple) else (value,):
        if isinstance(number, float) and not math.isfinite(number):
            raise InputError(f"config.{name} is {value}, expected finite numbers")
    for bound in getattr(kind, "__metadata__", ()):
        if not bound.allows(value):
            raise InputError(f"config.{name} is {value}, expected {bound.expected}")
