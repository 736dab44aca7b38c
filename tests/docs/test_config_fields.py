"""The tables of config fields, against the configs themselves."""

import dataclasses
import re
from typing import Literal

import config_fields
import pytest

from samr_jax.config import Common, config_names, flatten, method_module, named_config
from samr_jax.methods.settings import Decay, LabelWeights, PositiveInt

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("name", config_names())
def test_every_field_of_a_config_has_a_meaning(name):
    config = named_config(name)
    settings = method_module(config.method).Settings()
    fields = [
        *config_fields.fields_of(Common("", config.method)),
        *config_fields.fields_of(settings),
    ]
    assert sorted(field.name for field in fields) == sorted(flatten(config))
    for field in fields:
        assert re.search(r"\w.*[.\w)`]$", field.meaning), field


def test_a_field_without_a_meaning_stops_the_build():
    @dataclasses.dataclass(frozen=True)
    class Loss:
        """Terms.

        Attributes:
          known: weight of a term.
        """

        known: float = 1.0
        unknown: float = 2.0

    with pytest.raises(ValueError, match=r"Loss: no meaning of unknown"):
        list(config_fields.fields_of(Loss()))


def test_meanings_are_inherited_and_may_be_replaced():
    class Base:
        """Base.

        Attributes:
          a: one thing
            on two lines.
          b: another.

        More text.
        """

    class Derived(Base):
        """Derived.

        Attributes:
          b: replaced.
        """

    assert config_fields.attributes_of(Derived) == {
        "a": "one thing on two lines.",
        "b": "replaced.",
    }


@pytest.mark.parametrize(
    "kind, words",
    [
        (int, "whole number"),
        (PositiveInt, "positive whole number"),
        (Decay, "number, 0 to below 1"),
        (Literal["a", "b"], "`a` or `b`"),
        (LabelWeights, "5 numbers, one for each label"),
        (bool, "True or False"),
    ],
)
def test_types_in_words(kind, words):
    assert config_fields.values_of(kind) == words


def test_a_row_of_the_page():
    row = "| `loss.l1` | number, 0 or more | `100.0` | Weight of the pixel loss"
    section = config_fields.page().split("## `pix2pix`")[1].split("## ")[0]
    assert row in section
    assert "- Variant `demo`: " in section
