"""Recipes: lists of edits with their parameters, as text or JSON, and applying them.

The text of a recipe has edits separated by commas, each with its parameters, and a
seed. For example ``scale:tumor=2.0,move:dx=5,dy=-3,rotate:degrees=20,seed=7``.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np

from samr_jax.data.edits.constraints import Scene, check_labels
from samr_jax.data.edits.geometry import Deform, Mirror, Move, Rotate
from samr_jax.data.edits.paint import Paint
from samr_jax.data.edits.resize import Remove, Scale
from samr_jax.data.edits.transplant import Insert, Recombine, Replace
from samr_jax.labels import BACKGROUND
from samr_jax.runtime.errors import InputError


class Edit(Protocol):
    """A dataclass whose fields are the edit's parameters, checked at construction."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field]]

    def apply(
        self, labels: np.ndarray, scene: Scene, rng: np.random.Generator
    ) -> np.ndarray:
        """Returns edited labels; `rng` is the only source of randomness."""


EDITS: Mapping[str, type[Edit]] = MappingProxyType(
    {
        cls.__name__.lower(): cls
        for cls in (
            Scale,
            Remove,
            Move,
            Rotate,
            Mirror,
            Deform,
            Replace,
            Insert,
            Recombine,
            Paint,
        )
    }
)
"""Edits by their names in a recipe."""

_DONOR_FIELDS = {
    "replace": ("donor",),
    "insert": ("donor",),
    "recombine": ("edema", "cavity", "tumor"),
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Edits in the order in which they are applied.

    Attributes:
      edits: one or more.
      seed: seed of the edits that are random; not negative.
    """

    edits: tuple[Edit, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.edits:
            raise InputError("edit: empty, expected such as scale:tumor=2.0")
        if type(self.seed) is not int or self.seed < 0:
            raise InputError(f"seed={self.seed}, expected a whole number from 0")

    @property
    def donors(self) -> tuple[str, ...]:
        """Names of all donors, sorted."""
        names = {
            getattr(edit, field)
            for edit in self.edits
            for field in _DONOR_FIELDS.get(_name(edit), ())
        }
        return tuple(sorted(names - {None}))

    def __str__(self) -> str:
        """The recipe as text; `parse` gives the same recipe back."""
        steps = [f"{_name(edit)}{_parameters(edit)}" for edit in self.edits]
        return ",".join([*steps, f"seed={self.seed}"])

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON."""
        edits = [{"edit": _name(edit), **dict(_given(edit))} for edit in self.edits]
        return {"seed": self.seed, "edits": edits}

    @staticmethod
    def from_json(content: Any) -> Recipe:
        """Reads the result of `to_json`; a field ``"about"`` for people is ignored."""
        if not isinstance(content, dict) or not isinstance(content.get("edits"), list):
            raise InputError("edit: not a recipe, expected an object with 'edits'")
        if unknown := set(content) - {"seed", "edits", "about"}:
            raise InputError(
                f"edit: field {min(unknown)!r}, expected 'seed', 'edits' and 'about'"
            )
        edits = []
        for step in content["edits"]:
            if not isinstance(step, dict) or "edit" not in step:
                raise InputError(f"edit: step {step!r}, expected an object with 'edit'")
            edits.append(
                _make(step["edit"], {k: v for k, v in step.items() if k != "edit"})
            )
        return Recipe(tuple(edits), content.get("seed", 0))


def parse(text: str) -> Recipe:
    """Reads a recipe's text.

    Raises:
      InputError: an edit or a parameter is unknown, missing or out of its range.
    """
    seed: Any = 0  # `Recipe` checks it
    steps: list[tuple[str, dict[str, str]]] = []
    for token in filter(None, (part.strip() for part in text.split(","))):
        name, _, parameter = token.partition(":")
        if "=" in name:  # a further parameter of the previous edit
            parameter = token
        else:
            steps.append((name, {}))
        if not parameter:
            continue
        key, _, value = parameter.partition("=")
        if key == "seed":
            seed = _number(value)
        elif not (steps and key and value):
            raise InputError(f"edit: {token!r}, expected edit:parameter=value")
        elif key in steps[-1][1]:
            raise InputError(f"{steps[-1][0]}: {key} is given twice, expected once")
        else:
            steps[-1][1][key] = value
    return Recipe(
        tuple(_make(name, _typed(name, values)) for name, values in steps), seed
    )


def apply(
    recipe: Recipe | str,
    labels: np.ndarray,
    *,
    spacing: tuple[float, ...],
    donors: Mapping[str, np.ndarray] | None = None,
    done: int = 0,
) -> np.ndarray:
    """Applies a recipe; the same arguments give the same labels.

    Args:
      recipe: the recipe or its text.
      labels: ``[H, W]`` or ``[Z, H, W]`` of our codes, brain marked.
      spacing: millimetres between voxels along each array axis, in the order of the
        axes (`samr_jax.data.subject.Grid.spacing` has the reverse order).
      donors: other patients' labels on the same grid, by the names in the recipe.
      done: number of the recipe's first edits that `labels` has already.

    Returns:
      uint8 array of the same shape with the same background.

    Raises:
      InputError: an edit has nothing to edit, its donor is missing, or more than
        `MAX_LOST` of the lesion would leave the brain.
    """
    recipe = parse(recipe) if isinstance(recipe, str) else recipe
    labels = check_labels(labels, source="labels")
    if len(spacing) != labels.ndim or not all(0 < s < np.inf for s in spacing):
        raise InputError(
            f"spacing {spacing}, expected {labels.ndim} positive millimetres"
        )
    if not np.any(labels != BACKGROUND):
        raise InputError("labels: every one is background, expected a brain")
    scene = Scene(tuple(map(float, spacing)), donors or {})
    for number, edit in enumerate(recipe.edits[done:], start=done):
        try:
            rng = np.random.default_rng([recipe.seed, number])
            labels = edit.apply(labels, scene, rng)
        except InputError as error:
            raise InputError(f"{_name(edit)} (edit {number + 1}): {error}") from None
    return labels


def _name(edit: Edit) -> str:
    return type(edit).__name__.lower()


def _parameters(edit: Edit) -> str:
    """Text ``:name=value,...`` of the parameters that differ from their defaults."""
    defaults = {f.name: f.default for f in dataclasses.fields(edit)}
    own = [f"{k}={v}" for k, v in _given(edit) if v != defaults[k]]
    return ":" + ",".join(own) if own else ""


def _given(edit: Edit) -> list[tuple[str, Any]]:
    """Parameters that are not None."""
    return [(k, v) for k, v in dataclasses.asdict(edit).items() if v is not None]


def _make(name: Any, values: Mapping[str, Any]) -> Edit:
    """Makes the edit `name`; an `InputError` if a parameter does not fit."""
    if not isinstance(name, str) or name not in EDITS:
        raise InputError(f"edit: {name!r} is unknown, expected {', '.join(EDITS)}")
    fields = inspect.signature(EDITS[name]).parameters
    needed = {k for k, v in fields.items() if v.default is v.empty}
    if unknown := set(values) - set(fields):
        raise InputError(
            f"{name}: parameter {min(unknown)!r} is unknown, expected "
            f"{', '.join(fields) or 'none'}"
        )
    if missing := needed - set(values):
        raise InputError(f"{name}: parameter {min(missing)!r} is missing")
    try:
        return EDITS[name](**values)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _typed(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Converts the texts of numeric parameters to numbers."""
    fields = dataclasses.fields(EDITS[name]) if name in EDITS else ()
    numbers = {field.name for field in fields if "float" in str(field.type)}
    return {k: _number(v) if k in numbers else v for k, v in values.items()}


def _number(text: str) -> int | float | str:
    """The number, or the text itself, which the range check will refuse."""
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            pass
    return text
