"""Smooth random fields, and an independent random generator for every purpose.

A field is drawn once, on a lattice that is fixed in millimetres, and evaluated at any
axes, so that a subject is the same at every resolution.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence

import numpy as np

from samr_jax.data.phantom.geometry import Axes

_HALF_EXTENTS = (126.0, 136.0, 112.0)
"""Millimetres that the lattice covers on each side of 0 along z, y and x."""

_BSPLINE_POWER = 151 / 315  # integral of the squared cubic B-spline


def stream(seed: int, index: int, purpose: str) -> np.random.Generator:
    """An independent generator for each purpose: more draws in one change no other."""
    return np.random.default_rng([seed, index, zlib.crc32(purpose.encode())])


@dataclasses.dataclass(frozen=True)
class Field:
    """Cubic B-spline field of zero mean and unit variance.

    Attributes:
      coefficients: ``(Z, Y, X)`` independent normals on the lattice.
      scale: millimetres between lattice points, about the radius of a blob.
    """

    coefficients: np.ndarray
    scale: float

    @staticmethod
    def draw(rng: np.random.Generator, scale: float) -> Field:
        """Draws a field; its cost grows with the cube of 1 / `scale`."""
        counts = [int(np.ceil(2 * extent / scale)) + 3 for extent in _HALF_EXTENTS]
        normals = rng.standard_normal(counts, dtype=np.float32)
        return Field(normals / np.float32(_BSPLINE_POWER**1.5), scale)

    def on(self, axes: Axes) -> np.ndarray:
        """Values ``(Z, Y, X)`` float32 at the axes."""
        z, y, x = (
            _bspline(axis, self.scale, extent, count)
            for axis, extent, count in zip(
                axes, _HALF_EXTENTS, self.coefficients.shape, strict=True
            )
        )
        near = np.flatnonzero(z.any(axis=0))  # for speed: the others do not count
        part = slice(near[0], near[-1] + 1)
        return _separable(self.coefficients[part], [z[:, part], y, x])


def resample(values: np.ndarray, source: Axes, target: Axes) -> np.ndarray:
    """Linear interpolation of `values` at `source` to the points of `target`."""
    return _separable(
        values, [_linear(s, t) for s, t in zip(source, target, strict=True)]
    )


def _separable(values: np.ndarray, bases: Sequence[np.ndarray]) -> np.ndarray:
    """Applies one ``(target, source)`` matrix along each of three axes."""
    z, y, x = bases
    return y @ np.tensordot(z, values, axes=1) @ x.T


def _bspline(axis: np.ndarray, scale: float, extent: float, count: int) -> np.ndarray:
    """Cubic B-spline weights ``(len(axis), count)`` on a lattice from ``-extent``."""
    position = (np.asarray(axis, np.float64) + extent) / scale
    first = np.floor(position).astype(int)
    t = position - first
    weights = (
        (1 - t) ** 3,
        3 * t**3 - 6 * t**2 + 4,
        -3 * t**3 + 3 * t**2 + 3 * t + 1,
        t**3,
    )
    basis = np.zeros((len(axis), count), np.float32)
    for k, weight in enumerate(weights):
        basis[np.arange(len(axis)), first + k] = weight / 6
    return basis


def _linear(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Linear weights ``(len(target), len(source))``, clamped at the ends."""
    position = (target - source[0]) / (source[1] - source[0])
    position = np.clip(position, 0, len(source) - 1)
    first = np.minimum(position.astype(int), len(source) - 2)
    basis = np.zeros((len(target), len(source)), np.float32)
    basis[np.arange(len(target)), first] = 1 - (position - first)
    basis[np.arange(len(target)), first + 1] = position - first
    return basis
