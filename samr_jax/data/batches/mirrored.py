"""Twice the training slices: brains are nearly, never wholly, symmetric."""

from __future__ import annotations

from collections.abc import Sequence


class WithMirrored:
    """Slices, and after them each of them with left and right exchanged.

    ``slices[len(slices) // 2 + i]`` is the mirror image of ``slices[i]``: of all its
    arrays along their second axis, which runs from right to left. The atlas is
    mirrored too, so it is still that of the mirrored brain.
    """

    def __init__(self, slices: Sequence[dict]):
        self._slices = slices

    def __len__(self) -> int:
        return 2 * len(self._slices)

    def __getitem__(self, index: int) -> dict:
        mirrored, row = divmod(index, len(self._slices))
        instance = self._slices[row]
        if not mirrored:
            return instance
        return {
            name: value[:, ::-1] if getattr(value, "ndim", 0) > 1 else value
            for name, value in instance.items()
        }
