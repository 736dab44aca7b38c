"""A benchmark beside an earlier one: how the times and the memory have changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.records import NUMBER, or_null

SETTINGS = ("method", "size", "batch", "sequences", "ngf", "dtype", "devices")
"""Fields that must be the same."""

COMPARED = {
    "train_step_s": "training step, s",
    "train_step_cpu_s": "training step, CPU s",
    "synthesis_s": "synthesis, s",
    "synthesis_cpu_s": "synthesis, CPU s",
    "train_compile_s.cold": "compilation of the step, s",
    "train_compile_s.warm": "the same with a filled cache, s",
    "train_step_gib": "memory of a step, GiB",
    "peak_gib": "memory of the process, GiB",
    "machine.matrix_gflops": "matrix product, GFLOP/s",
}
"""Field of a result -> what it is called."""


def comparison(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A Markdown table of both results and their ratio.

    Args:
      earlier: a result of `samr_jax.benchmark.measure.benchmark`.
      now: another one, of the same settings.

    Raises:
      InputError: a setting differs.
    """
    for name in SETTINGS:
        if earlier.get(name) != now.get(name):
            raise InputError(
                f"{name} is {earlier.get(name)!r} in the earlier benchmark and "
                f"{now.get(name)!r} in this one, expected the same"
            )
    lines = ["| | earlier | now | now / earlier |", "|---|---|---|---|"]
    if earlier.get("device") != now.get("device"):
        lines.append(f"| device | {earlier.get('device')} | {now.get('device')} | |")
    for path, name in COMPARED.items():
        old, new = _value(earlier, path), _value(now, path)
        # The earlier one comes from a file.
        or_null(NUMBER)(f"{path} in the earlier benchmark", old)
        if old and new:
            lines.append(f"| {name} | {old:.4g} | {new:.4g} | {new / old:.2f} |")
    return "\n".join(lines)


def suite_comparison(
    earlier: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> str:
    """`comparison` of each measurement that two suites have; Markdown.

    Args:
      earlier: results of `samr_jax.benchmark.suite.run_suite`.
      now: other ones.
    """
    both = [
        name
        for name, result in now.items()
        if "train_step_s" in result and "train_step_s" in earlier.get(name, {})
    ]
    pages = [f"{name}\n\n{comparison(earlier[name], now[name])}" for name in both]
    return "\n\n".join(pages)


def _value(result: Mapping[str, Any], path: str) -> float | None:
    value: Any = result
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
