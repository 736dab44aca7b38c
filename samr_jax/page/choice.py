"""What a user has chosen on the page, read from the JSON of a request."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from samr_jax.data.edits.recipe import Recipe
from samr_jax.inference.anatomy import AVERAGE
from samr_jax.runtime.errors import InputError

MAX_EDITS = 2000
MAX_SAMPLES = 16
MAX_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Choice:
    """A mask with its edits, and how images are made from it.

    Attributes:
      mask: name of the mask.
      recipe: the edits; None for the mask as it is.
      anatomy: the brain that the lesion is put into: the seed of a simulated brain or
        ``average``; None for a model that is told none.
      seed: of the noise.
      samples: number of syntheses with different noise.
    """

    mask: str
    recipe: Recipe | None = None
    anatomy: int | str | None = None
    seed: int = 0
    samples: int = 1


def read_choice(content: Any) -> Choice:
    """Reads the object ``{"mask", "recipe", "anatomy", "seed", "samples"}``.

    Raises:
      InputError: a field is missing, unknown or out of its range.
    """
    if not isinstance(content, dict):
        raise InputError("request: expected a JSON object")
    fields = {field.name for field in dataclasses.fields(Choice)}
    if unknown := set(content) - fields:
        raise InputError(
            f"request: field {min(unknown)!r:.50}, expected {', '.join(sorted(fields))}"
        )
    mask = content.get("mask")
    if not isinstance(mask, str):
        raise InputError(f"mask: {mask!r:.50}, expected the name of a mask")
    anatomy = content.get("anatomy")
    if anatomy not in (None, AVERAGE):
        anatomy = whole(anatomy, "anatomy", 0, MAX_SEED)
    return Choice(
        mask,
        _recipe(content.get("recipe")),
        anatomy,
        whole(content.get("seed", 0), "seed", 0, MAX_SEED),
        whole(content.get("samples", 1), "samples", 1, MAX_SAMPLES),
    )


def read_json(body: bytes) -> Any:
    """The JSON of a request's body.

    Raises:
      InputError: it is not JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"request: not JSON ({error})") from error


def whole(value: Any, name: str, low: int, high: int) -> int:
    """The value, if it is a whole number in [low, high]; else an `InputError`."""
    if type(value) is not int or not low <= value <= high:
        raise InputError(
            f"{name}: {value!r:.50}, expected a whole number from {low} to {high}"
        )
    return value


def _recipe(content: Any) -> Recipe | None:
    """A recipe's JSON; no edits mean None."""
    if content is None:
        return None
    if isinstance(content, dict) and isinstance(content.get("edits"), list):
        if not content["edits"]:
            return None
        if len(content["edits"]) > MAX_EDITS:
            raise InputError(
                f"recipe: {len(content['edits'])} edits, expected at most {MAX_EDITS}"
            )
    return Recipe.from_json(content)
