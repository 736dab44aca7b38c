"""Finds a method by its name and builds it.

A method is a module of this package with three names:

- ``Settings``: a frozen dataclass whose sections are frozen dataclasses, too (see
  `samr_jax.methods.settings`);
- ``VARIANTS``: for each variant of its training, the fields that differ from the
  defaults; ``paper`` is the one with its authors' numbers;
- ``create(settings, context)``: returns a `Method`.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from samr_jax import methods
from samr_jax.methods.base import Context, Method
from samr_jax.runtime.errors import InputError


def method_module(name: str) -> ModuleType:
    """The module of the method that ``config.method`` names.

    Raises:
      InputError: there is no such method.
    """
    module = _modules().get(name)
    if module is None:
        known = ", ".join(method_names())
        raise InputError(f"config.method is {name!r}, expected one of {known}")
    return module


def method_names() -> list[str]:
    """The names of all methods, sorted."""
    return sorted(_modules())


def create_method(name: str, settings: Any, context: Context) -> Method:
    """Builds the method `name`.

    Args:
      name: of a module of this package.
      settings: its ``Settings``.
      context: what it is built for.

    Raises:
      InputError: there is no such method.
    """
    return method_module(name).create(settings, context)


def _modules() -> dict[str, ModuleType]:
    found = {
        info.name: importlib.import_module(f"{methods.__name__}.{info.name}")
        for info in pkgutil.iter_modules(methods.__path__)
    }
    return {
        name: module for name, module in found.items() if hasattr(module, "VARIANTS")
    }
