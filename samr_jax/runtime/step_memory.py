"""The memory of a program, estimated from its trace before it is compiled.

XLA counts the memory of a compiled program exactly, but compiling takes minutes.
Tracing takes seconds, and its result, a jaxpr, lists the operations in their order. The
estimate walks through them and keeps account of the values that are still to be read.

XLA merges an element-wise operation into the operation that reads its result, so that
most such results are never stored. The estimate counts the values that an operation
such as a convolution reads or computes, and those that several operations read. For the
training steps of ``docs/speed.md``, XLA's count is 0.8 to 1.4 times the estimate.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

CALLS = (
    *("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"),
    *("checkpoint", "remat2", "shard_map"),
)
"""Operations that stand for the operations of another jaxpr."""

RENAMINGS = ("reshape", "squeeze", "expand_dims", "copy", "optimization_barrier")
"""Operations whose results are their inputs in another shape, without a copy."""

MERGED = frozenset(
    (
        *("abs", "add", "add_any", "and", "atan2", "broadcast_in_dim", "cbrt", "ceil"),
        *("clamp", "concatenate", "convert_element_type", "cos", "div"),
        *("dynamic_slice", "eq", "erf", "erf_inv", "exp", "exp2", "expm1", "floor"),
        *("ge", "gt", "integer_pow", "iota", "is_finite", "le", "log", "log1p"),
        *("logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pad"),
        *("pmax", "pmin", "pow", "psum", "psum_invariant", "pvary", "real", "rem"),
        *("rev", "round", "rsqrt", "select_n", "shift_left", "shift_right_arithmetic"),
        *("shift_right_logical", "sign", "sin", "slice", "split", "sqrt", "square"),
        *("stop_gradient", "sub", "tan", "tanh", "transpose", "xor"),
    )
)
"""Operations that XLA computes within the one operation that reads the result."""

REPEATED = ("broadcast_in_dim", "iota")
"""Operations that are merged into each of the operations that read the result."""

REDUCTIONS = frozenset(
    (
        *("argmax", "argmin", "reduce_and", "reduce_max", "reduce_min", "reduce_or"),
        *("reduce_prod", "reduce_sum"),
    )
)
"""Operations that compute their merged inputs on the way, and store their results."""


class Operation(NamedTuple):
    """An operation of a program.

    Attributes:
      name: name of the JAX primitive.
      reads: numbers of the values that it reads.
      writes: numbers of the values that it computes.
      inner: bytes that programs within it need meanwhile, such as the body of a loop.
    """

    name: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    inner: int = 0


class Program:
    """A jaxpr as one list of operations on numbered values.

    Attributes:
      sizes: bytes of each value.
      operations: operations in their order. Calls are replaced by what they call.
      inputs: numbers of the arguments and constants.
      outputs: numbers of the results.
    """

    def __init__(self, jaxpr: Any, *, platform: str):
        self.platform = platform
        self.sizes: list[int] = []
        self.operations: list[Operation] = []
        inner = _open(jaxpr)
        variables = [*inner.invars, *inner.constvars]
        self.inputs = [self._new(variable) for variable in variables]
        names = dict(zip(variables, self.inputs, strict=True))
        self.outputs = self._walk(inner, names)

    def _new(self, variable: Any) -> int:
        self.sizes.append(_bytes(variable.aval))
        return len(self.sizes) - 1

    def _walk(self, jaxpr: Any, names: dict) -> list[int]:
        """Adds the operations of a jaxpr; returns the numbers of its results."""

        def numbers(variables: Iterable) -> list[int]:
            return [names[v] if _is_variable(v) else self._new(v) for v in variables]

        for equation in jaxpr.eqns:
            reads, name = numbers(equation.invars), equation.primitive.name
            if (called := self._called(equation)) is not None:
                results = self._call(called, reads[len(reads) - len(called.invars) :])
            elif name in RENAMINGS:
                results = reads
            else:
                results = [self._new(variable) for variable in equation.outvars]
                self.operations.append(
                    Operation(name, (*reads,), (*results,), self._inner(equation))
                )
            names.update(zip(equation.outvars, results, strict=False))
        return numbers(jaxpr.outvars)

    def _called(self, equation: Any) -> Any:
        """The jaxpr that an operation stands for; None for any other operation."""
        name, params = equation.primitive.name, equation.params
        if name in CALLS:
            return _open(params.get("jaxpr") or params["call_jaxpr"])
        platforms = params.get("branches_platforms") if name == "cond" else None
        if not platforms:
            return None
        # The last branch is for all platforms that no other branch names.
        chosen = next(
            (i for i, names in enumerate(platforms) if self.platform in (names or ())),
            len(platforms) - 1,
        )
        return _open(params["branches"][chosen])

    def _call(self, called: Any, arguments: Sequence[int]) -> list[int]:
        constants = [self._new(variable) for variable in called.constvars]
        variables = [*called.invars, *called.constvars]
        names = dict(zip(variables, [*arguments, *constants], strict=True))
        for variable, number in names.items():
            # Within a shard_map a value has the size of one device's share.
            self.sizes[number] = _bytes(variable.aval)
        return self._walk(called, names)

    def _inner(self, equation: Any) -> int:
        """Bytes of temporaries of the programs in a loop or of a condition's branch."""
        if equation.primitive.name not in ("scan", "while", "cond"):
            return 0
        values = equation.params.values()
        found = itertools.chain.from_iterable(
            value if isinstance(value, tuple | list) else (value,) for value in values
        )
        programs = [Program(x, platform=self.platform) for x in found if _is_jaxpr(x)]
        return max(map(temporary_bytes, programs), default=0)


def needed_bytes(jaxpr: Any, *, donated: int = 0, platform: str = "cpu") -> int:
    """Estimates the memory of a program: arguments, results and temporaries.

    Args:
      jaxpr: as `jax.make_jaxpr` returns it.
      donated: how many of the first arguments lend their memory to results of the same
        size.
      platform: name of the platform that the program is for, such as ``cpu``.

    Returns:
      Bytes of one device.
    """
    program = Program(jaxpr, platform=platform)
    lent = [program.sizes[number] for number in program.inputs[:donated]]
    return sum(program.sizes[number] for number in program.inputs) + temporary_bytes(
        program, lent
    )


def temporary_bytes(program: Program, lent: Sequence[int] = ()) -> int:
    """The most bytes of values that are in memory at once, without the arguments.

    Args:
      program: the program.
      lent: bytes of each argument whose memory a result of the same size may use.
    """
    operations = _used(program)
    stored = _stored(program, operations)
    sources = _sources(program, operations, stored)
    counted = {number: program.sizes[number] for number in stored}
    counted |= dict.fromkeys(program.inputs, 0)
    lent = list(lent)
    for number in program.outputs:
        if counted[number] in lent:
            lent.remove(counted[number])
            counted[number] = 0
    last = _last_readers(program, operations, stored, sources)
    live = peak = 0
    for position, operation in enumerate(operations):
        read = set().union(*(sources[number] for number in operation.reads))
        # A literal is not among the values that are counted.
        freed = sum(counted.get(x, 0) for x in read if last.get(x) == position)
        taken = sum(counted[x] for x in operation.writes if x in stored)
        if operation.name in MERGED:
            live -= freed  # The result may take the place of an input.
            freed = 0
        live += taken
        peak = max(peak, live + operation.inner)
        live -= freed
    return peak


def _used(program: Program) -> list[Operation]:
    """The operations that some result depends on; XLA removes all others."""
    needed, used = set(program.outputs), []
    for operation in reversed(program.operations):
        if needed.intersection(operation.writes):
            needed.update(operation.reads)
            used.append(operation)
    return used[::-1]


def _stored(program: Program, operations: list[Operation]) -> set[int]:
    """The values that are stored, not computed within the operation that reads them.

    XLA computes some values again for each operation that reads them. The estimate
    takes this to be so for the results of `REPEATED` alone.
    """
    stored = {*program.inputs, *program.outputs}
    readers = collections.Counter(
        number for operation in operations for number in set(operation.reads)
    )
    for operation in operations:
        if operation.name not in MERGED:
            stored.update(operation.writes)
            if operation.name not in REDUCTIONS:
                stored.update(operation.reads)
        elif operation.name not in REPEATED:
            stored.update(x for x in operation.writes if readers[x] > 1)
    return stored


def _sources(
    program: Program, operations: list[Operation], stored: set[int]
) -> list[frozenset[int]]:
    """The stored values that each value is computed from; a stored one is its own."""
    sources = [frozenset((number,)) for number in range(len(program.sizes))]
    for operation in operations:
        for number in operation.writes:
            if number not in stored:
                sources[number] = frozenset().union(
                    *(sources[read] for read in operation.reads)
                )
    return sources


def _last_readers(
    program: Program,
    operations: list[Operation],
    stored: set[int],
    sources: list[frozenset[int]],
) -> dict[int, int]:
    """The position of the last operation that needs each stored value."""
    last: dict[int, int] = {}
    for position, operation in enumerate(operations):
        if stored.intersection(operation.writes):
            for number in operation.reads:
                last |= dict.fromkeys(sources[number], position)
    return last | dict.fromkeys(program.outputs, len(operations))


def _open(jaxpr: Any) -> Any:
    """The jaxpr itself, without the values of its constants."""
    return getattr(jaxpr, "jaxpr", jaxpr)


def _is_jaxpr(value: Any) -> bool:
    return hasattr(_open(value), "eqns")


def _is_variable(value: Any) -> bool:
    return not hasattr(value, "val")  # A literal has a value.


def _bytes(aval: Any) -> int:
    """Bytes of an array."""
    return int(aval.size) * aval.dtype.itemsize if hasattr(aval, "size") else 0
