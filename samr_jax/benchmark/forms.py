"""How much time each form of convolutions for CPUs saves, on the whole program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import ml_collections

from samr_jax.benchmark.machine import WARM_UP, clocks, medians, since
from samr_jax.benchmark.measure import prepared, synthesis_of
from samr_jax.models.convolution import forms
from samr_jax.training.step import make_train_step

NONE_LEFT = "any form"
"""The row of the program without any form."""


class Saving(NamedTuple):
    """What a program takes without a form, beside the same program with all forms.

    Attributes:
      program: 'synthesis' or 'training step'.
      without: name of the form, or `NONE_LEFT`.
      wall: seconds of a call without the form, as a multiple of a call with all forms;
        None if the form changes nothing in this program.
      cpu: the same for CPU seconds, user and system, of all threads.
      compilation: the same for CPU seconds of the compilation.
      wall_s: seconds of a call with all forms.
      cpu_s: CPU seconds of a call with all forms.
    """

    program: str
    without: str
    wall: float | None
    cpu: float | None
    compilation: float | None
    wall_s: float
    cpu_s: float


def compare_forms(
    config: ml_collections.ConfigDict,
    *,
    size: int,
    rounds: int,
    synthesis: bool = True,
    train: bool = True,
) -> list[Saving]:
    """Times a method with all forms, without each one of them, and without any.

    Each round calls all variants of a program, one after the other, so that other work
    on the machine disturbs all of them alike. The ratios are medians over rounds.

    Args:
      config: method, networks and batch size.
      size: rows and columns of a slice.
      rounds: timed calls of each variant.
      synthesis: whether to compare synthesis.
      train: whether to compare the training step.
    """
    method, batch, state, optimizer = prepared(config, size, axis_name=None)
    programs = {}
    if synthesis:
        programs["synthesis"] = synthesis_of(method), (state.gen.variables, batch)
    if train:
        step = make_train_step(method, optimizer=optimizer, seed=0)
        programs["training step"] = step, (state, batch)
    return [
        saving
        for name, (function, arguments) in programs.items()
        for saving in _savings(name, function, jax.device_put(arguments), rounds)
    ]


def savings_table(savings: Sequence[Saving]) -> str:
    """The savings as a Markdown table, one row per form."""
    programs = list(dict.fromkeys(saving.program for saving in savings))
    cells = {(saving.program, saving.without): saving for saving in savings}
    head = [f"{name}: wall, CPU, compilation" for name in programs]
    lines = [["without", *head], ["---"] * (len(head) + 1)]
    for without in dict.fromkeys(saving.without for saving in savings):
        row = [cells[program, without] for program in programs]
        lines.append([without, *map(_ratios, row)])
    with_all = [cells[program, NONE_LEFT] for program in programs]
    seconds = [f"{it.wall_s:.3g} s, {it.cpu_s:.3g} s" for it in with_all]
    lines.append(["nothing", *seconds])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratios(saving: Saving) -> str:
    if saving.wall is None:
        return "the same program"
    return f"{saving.wall:.2f}, {saving.cpu:.2f}, {saving.compilation:.2f}"


def _savings(
    name: str, function: Callable, arguments: tuple, rounds: int
) -> Iterator[Saving]:
    everything = frozenset(forms.FORMS)
    variants = {form: everything - {form} for form in forms.FORMS}
    variants = {"": everything, NONE_LEFT: frozenset(), **variants}
    compiled, compilation, text_of = {}, {}, {}
    for without, chosen in variants.items():
        jax.clear_caches()  # Else JAX would not trace the function again.
        with forms.using(*chosen):
            lowered = jax.jit(function).lower(*arguments)
        text_of[without] = lowered.as_text()
        if without and text_of[without] == text_of[""]:
            continue
        begin = clocks()
        compiled[without] = lowered.compile()
        compilation[without] = since(begin)[1]
    times = _times(compiled, arguments, rounds)
    with_all = times.pop("")
    for without in list(variants)[1:]:
        wall = cpu = compiling = None
        if without in times:
            wall, cpu = _ratio(times[without], with_all)
            compiling = compilation[without] / compilation[""]
        yield Saving(name, without, wall, cpu, compiling, *medians(with_all))


def _times(
    compiled: Mapping[str, Callable], arguments: Any, rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of each variant in each round."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in compiled}
    for _ in range(rounds + WARM_UP):
        for without, call in compiled.items():
            begin = clocks()
            jax.block_until_ready(call(*arguments))
            times[without].append(since(begin))
    return {without: values[WARM_UP:] for without, values in times.items()}


def _ratio(times: list, with_all: list) -> tuple[float, float]:
    pairs = zip(times, with_all, strict=True)
    return medians([(a[0] / b[0], a[1] / b[1]) for a, b in pairs])
