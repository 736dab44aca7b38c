"""Tells how each skull was removed, and which masks have to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from samr_jax.prepare.cohort.cache import Stored
from samr_jax.prepare.subject.strip import BRAIN_ML, MIN_AGREEMENT


def stripping_lines(stored: Sequence[Stored]) -> list[str]:
    """A line for each subject whose skull was removed."""
    done = [(item.name, item.record["strip"]) for item in stored]
    return [f"{name}: {_describe(found)}" for name, found in done if found]


def _describe(found: Mapping) -> str:
    parts = [
        f"brain of {found['ml']:.0f} ml by {found['method']}",
        f"roundness {found['roundness']:.2f}",
    ]
    if "unlike" in found:
        parts.append(f"{100 * found['unlike']:.1f} % unlike brain")
    elif found["method"] == "template":
        parts.append(
            "without a T1w scan, where the template method is less reliable: look at "
            "its outline on the quality page"
        )
    if "agreement" not in found:
        parts.append("no second method to compare with")
    else:
        parts.append(f"agreement of both methods {found['agreement']:.2f} (Dice)")
        if found["agreement"] < MIN_AGREEMENT:
            parts.append("look at its outline on the quality page")
    if found["ml"] < BRAIN_ML[0]:
        parts.append(
            f"smaller than an adult's brain ({BRAIN_ML[0]:.0f} ml): check the voxel "
            "size and the field of view"
        )
    return ", ".join(parts)
