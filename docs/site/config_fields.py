"""All fields of a config as Markdown tables: field, values, default and meaning.

Names, types and defaults are those of the dataclasses, and meanings are the sections
"Attributes" of their docstrings. A field without a meaning stops the build.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from samr_jax.config import Common, config_names, method_module, named_config
from samr_jax.methods.settings import LabelWeights, leaves_of

_KINDS = {int: "whole number", float: "number", bool: "True or False", str: "text"}


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a config.

    Attributes:
      name: dotted name, such as ``loss.l1``.
      values: which values it may have, in words.
      default: its value where nothing else is set.
      meaning: text of the docstring.
    """

    name: str
    values: str
    default: Any
    meaning: str


def page() -> str:
    """The tables of all configs in Markdown."""
    common = list(fields_of(Common("", "")))
    parts = [f"## Fields of every config\n\n{_table(common)}"]
    for name in config_names():
        method = named_config(name).method
        fields = list(fields_of(method_module(method).Settings()))
        text = f"## `{name}`\n\n{_summary(method_module(method))}\n"
        parts.append(f"{text}\n{_variants(method)}\n\n{_table(fields)}")
    return "\n\n".join(parts)


def fields_of(settings: Any, prefix: str = "") -> Iterator[Field]:
    """The fields of a dataclass and of the dataclasses in it.

    Raises:
      ValueError: the docstring says nothing about a field.
    """
    hints = typing.get_type_hints(type(settings), include_extras=True)
    meanings = attributes_of(type(settings))
    for field in dataclasses.fields(settings):
        value, name = getattr(settings, field.name), prefix + field.name
        if dataclasses.is_dataclass(value):
            yield from fields_of(value, f"{name}.")
            continue
        if not meanings.get(field.name):
            place = f"{type(settings).__module__}.{type(settings).__qualname__}"
            raise ValueError(f"{place}: no meaning of {field.name} in the docstring")
        kind = hints[field.name]
        yield Field(name, values_of(kind), value, meanings[field.name])


def attributes_of(cls: type) -> dict[str, str]:
    """The sections "Attributes" of a class and of the classes that it extends."""
    meanings: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        text = inspect.cleandoc(base.__doc__ or "")
        _, _, section = text.partition("Attributes:\n")
        section, *_ = re.split(r"\n(?=\S)", section)
        for entry in re.split(r"\n {2}(?=\w)", f"\n{section.rstrip()}")[1:]:
            name, _, meaning = entry.partition(":")
            meanings[name] = " ".join(meaning.split())
    return meanings


def values_of(kind: Any) -> str:
    """The values that a type of `samr_jax.methods.settings` allows, in words."""
    if kind == LabelWeights:
        return "5 numbers, one for each label"
    if typing.get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "texts"
    bounds = [bound.expected for bound in getattr(kind, "__metadata__", ())]
    base = typing.get_args(kind)[0] if bounds else kind
    expected = dict.fromkeys(text.removeprefix("a ") for text in bounds)
    words = _KINDS[base]
    if "positive number" in expected:
        return f"positive {words}"
    return ", ".join([words, *expected])


def _summary(module: Any) -> str:
    """The first paragraph of a module's docstring, which ends in a full stop."""
    first, *_ = inspect.cleandoc(module.__doc__).split("\n\n")
    return " ".join(first.split())


def _variants(method: str) -> str:
    """What each variant of a method sets, as a list in Markdown."""
    defaults = leaves_of(Common("", method))
    lines = []
    for variant, changes in method_module(method).VARIANTS.items():
        common = {name: value for name, value in changes.items() if name in defaults}
        own = {name: value for name, value in changes.items() if name not in defaults}
        sets = _assignments(common | own) or "the defaults of the tables"
        lines.append(f"- Variant `{variant}`: {sets}.")
    return "\n".join(lines)


def _assignments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in values.items())


def _table(fields: list[Field]) -> str:
    rows = [
        f"| `{field.name}` | {field.values} | {_default(field.default)} "
        f"| {_markdown(field.meaning)} |"
        for field in fields
    ]
    return "\n".join(
        ["| field | values | default | meaning |", "|---|---|---|---|", *rows]
    )


def _default(value: Any) -> str:
    return f"`{value}`" if value != "" else ""


def _markdown(text: str) -> str:
    """A docstring's text, whose code in double backticks is the same in Markdown."""
    text = text.replace("|", "\\|")
    return text[0].upper() + text[1:] if text[0].isascii() else text
