"""Smooth random fields over MNI space, the phantom's only source of irregularity.

A field is drawn once, on a lattice fixed in millimetres, and can then be evaluated at
any axes: the same subject looks the same at every resolution.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from samr_jax.data.phantom.geometry import Axes

HALF_EXTENT = 136.0
_BSPLINE_POWER = 151 / 315  # integral of the squared cubic B-spline


@dataclasses.dataclass(frozen=True)
class Field:
    """Cubic B-spline field of zero mean and unit variance.

    Attributes:
      coefficients: ``(N, N, N)`` independent normals on the lattice.
      scale: millimetres between lattice points, about the size of a blob's radius.
    """

    coefficients: np.ndarray
    scale: float

    @staticmethod
    def draw(rng: np.random.Generator, scale: float) -> Field:
        """Draws a field; its cost grows with the cube of 1 / `scale`."""
        count = int(np.ceil(2 * HALF_EXTENT / scale)) + 3
        normals = rng.standard_normal((count,) * 3, dtype=np.float32)
        return Field(normals / np.float32(_BSPLINE_POWER**1.5), scale)

    def on(self, axes: Axes) -> np.ndarray:
        """Values ``(Z, Y, X)`` float32 at the axes; outside the lattice it repeats."""
        bases = [
            _bspline_basis(axis, self.scale, len(self.coefficients)) for axis in axes
        ]
        return _separable(self.coefficients, bases)


def resample(values: np.ndarray, source: Axes, target: Axes) -> np.ndarray:
    """Linear interpolation from one rectangular set of points to another."""
    return _separable(
        values, [_linear(s, t) for s, t in zip(source, target, strict=True)]
    )


def _separable(values: np.ndarray, bases: list[np.ndarray]) -> np.ndarray:
    """Applies one ``(target, source)`` matrix along each of three axes."""
    for axis, basis in enumerate(bases):
        values = np.moveaxis(np.tensordot(basis, values, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(values)


def _bspline_basis(axis: np.ndarray, scale: float, count: int) -> np.ndarray:
    position = (np.asarray(axis, np.float64) + HALF_EXTENT) / scale
    first = np.floor(position).astype(int)
    t = position - first
    weights = np.stack(
        [
            (1 - t) ** 3,
            3 * t**3 - 6 * t**2 + 4,
            -3 * t**3 + 3 * t**2 + 3 * t + 1,
            t**3,
        ]
    )
    basis = np.zeros((len(axis), count), np.float32)
    rows = np.arange(len(axis))
    for k, weight in enumerate(weights / 6):
        np.add.at(basis, (rows, (first + k) % count), weight)
    return basis


def _linear(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    step = source[1] - source[0]
    position = np.clip((target - source[0]) / step, 0, len(source) - 1)
    first = np.minimum(position.astype(int), len(source) - 2)
    basis = np.zeros((len(target), len(source)), np.float32)
    rows = np.arange(len(target))
    basis[rows, first] = 1 - (position - first)
    basis[rows, first + 1] = position - first
    return basis
