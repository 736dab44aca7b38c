"""One file a method: its networks put together, and its losses."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from samr_jax.methods.base import Method
from samr_jax.runtime.errors import InputError

METHODS = {
    "cg_samr": ("samr_jax.methods.cg_samr", {}),
    "samr": ("samr_jax.methods.cg_samr", {"samr": True}),
    "pix2pix": ("samr_jax.methods.pix2pix", {}),
    "shin": ("samr_jax.methods.pix2pix", {"shin": True}),
    "pix2pixhd": ("samr_jax.methods.pix2pixhd", {}),
    "ucg_samr": ("samr_jax.methods.ucg_samr", {}),
    "cyclegan": ("samr_jax.methods.cyclegan", {}),
    "synseg": ("samr_jax.methods.synseg", {}),
    "unit": ("samr_jax.methods.unit", {}),
    "segmentation": ("samr_jax.methods.segmentation", {}),
}
"""Config name -> module whose ``create`` builds the method, and arguments for it."""


def create_method(name: str, **settings: Any) -> Method:
    """Builds the method of ``config.method``.

    Args:
      name: a key of `METHODS`.
      **settings: all that is known; of it each ``create`` is given what it names.

    Raises:
      InputError: there is no such method.
    """
    if name not in METHODS:
        raise InputError(
            f"config.method is {name!r}, expected one of {', '.join(METHODS)}"
        )
    module, extra = METHODS[name]
    create = importlib.import_module(module).create
    wanted = inspect.signature(create).parameters
    taken = {name: value for name, value in settings.items() if name in wanted}
    return create(**taken, **extra)
