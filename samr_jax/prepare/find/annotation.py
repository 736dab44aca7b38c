"""Which of our labels each value of an annotation means: presets and custom maps."""

from __future__ import annotations

from collections.abc import Mapping

from samr_jax.labels import BACKGROUND, LABELS, preset
from samr_jax.runtime.errors import InputError


def label_mapping(
    labels: str | Mapping[int, int], *, auto: str | Mapping[int, int]
) -> Mapping[int, int]:
    """The map from values of an annotation to our label codes.

    Args:
      labels: ``auto``, the name of a preset, a custom map such as
        ``"1:cavity,2:edema,4:tumor"``, or the mapping itself. The value 0, background,
        may be left out.
      auto: the layout's own preset or mapping, which ``auto`` stands for.
    """
    if isinstance(labels, str) and labels == "auto":
        labels = auto
    if isinstance(labels, Mapping):
        return {0: BACKGROUND, **labels}
    return _parse(labels) if ":" in labels else preset(labels)


def _parse(text: str) -> dict[int, int]:
    mapping = {0: BACKGROUND}
    for item in text.split(","):
        value, _, name = (part.strip() for part in item.partition(":"))
        if not value.isdecimal() or name not in LABELS:
            raise InputError(
                f"labels: {item.strip()!r}, expected VALUE:NAME with NAME one of "
                f"{', '.join(LABELS)}"
            )
        mapping[int(value)] = LABELS.index(name)
    return mapping
