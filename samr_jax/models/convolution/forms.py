"""Which faster forms of convolutions are in use on CPUs.

All are, unless the environment variable ``SAMR_JAX_CPU_FORMS`` lists some of their
names (``winograd,fold``), or says ``none``: then XLA computes convolutions as they are
written. Results differ by rounding only. The variable counts when a function is
compiled; ``launch/benchmark.py --forms`` shows what each form saves.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
from collections.abc import Iterator

from samr_jax.runtime.errors import InputError

VARIABLE = "SAMR_JAX_CPU_FORMS"

FORMS = {
    "subpixel": "an up-convolution as convolutions of the input, interleaved",
    "phases-apart": "a large 3 x 3 up-convolution as four convolutions, not one",
    "one-column": "a convolution without padding gets one column, which is cropped",
    "product": "a 1 x 1 convolution as a product of matrices",
    "winograd": "3 x 3 and 4 x 4 convolutions of many channels by Winograd's method",
    "winograd-blocks": "the kernel's gradient likewise, in blocks of rows",
    "row-blocks": "the kernel's gradient as products of matrices, in blocks of rows",
    "fold": "gradients of 4 x 4 convolutions of stride 2 as of stride 1",
    "one-feature": "a large kernel with one output channel: its rows as channels",
}
"""Name of a form -> what it is. docs/speed.md has what each gives."""

_chosen: contextvars.ContextVar[frozenset[str] | None] = contextvars.ContextVar(
    "forms", default=None
)


def uses(form: str) -> bool:
    """Whether convolutions that are traced now have this form where it suits them."""
    if form not in FORMS:
        raise KeyError(form)
    return form in chosen()


def chosen() -> frozenset[str]:
    """The forms that convolutions that are traced now may have."""
    forms = _chosen.get()
    return _from_environment() if forms is None else forms


@contextlib.contextmanager
def using(*names: str) -> Iterator[None]:
    """Within it, convolutions are traced with these forms alone.

    Functions that were compiled before stay as they are.
    """
    token = _chosen.set(_checked(names, "forms"))
    try:
        yield
    finally:
        _chosen.reset(token)


@functools.cache
def _from_environment() -> frozenset[str]:
    value = os.environ.get(VARIABLE, "").strip()
    if not value:
        return frozenset(FORMS)
    names = () if value == "none" else tuple(name.strip() for name in value.split(","))
    return _checked(names, VARIABLE)


def _checked(names: tuple[str, ...], source: str) -> frozenset[str]:
    unknown = sorted(set(names) - FORMS.keys())
    if unknown:
        raise InputError(
            f"{source}: {unknown[0]!r}, expected 'none' or some of {', '.join(FORMS)}"
        )
    return frozenset(names)
