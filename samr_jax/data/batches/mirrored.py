"""Training on mirror images as well: brains are nearly, but not fully, symmetric."""

from __future__ import annotations

from samr_jax.data.slices import Instances


class WithMirrored:
    """All slices, followed by the mirror image of each slice.

    ``slices[len(slices) // 2 + i]`` is the mirror image of ``slices[i]``. All arrays,
    the atlas included, are mirrored along their second axis, which runs from the
    patient's right to the left.
    """

    def __init__(self, slices: Instances):
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
