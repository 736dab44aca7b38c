"""Seeded damage to bytes, JSON and CSV."""

from __future__ import annotations

import copy
import json
import struct

import numpy as np

NUMBERS = (
    *(struct.pack(f"<{kind}", value) for kind in "fd" for value in
      (float("nan"), float("inf"), -1.0, 0.0, 1e30, -1e-30)),
    *(struct.pack(f"<{kind}", value) for kind, value in
      (("h", -1), ("h", 2**15 - 1), ("i", -1), ("i", 2**31 - 1), ("i", -(2**31)),
       ("q", -1), ("q", 2**63 - 1), ("q", 2**40), ("B", 0), ("B", 255))),
)  # fmt: skip
"""What makes parsers stumble, as it lies in a file."""

TEXTS = (
    "",
    "../../outside/escaped",
    "/",
    "..",
    ".",
    "~",
    "a/b",
    "a\\b",
    "a\nb",
    "a\0b",
    "'\"><script>",
    "=1+1",
    "\u202e\ud7ff",
    "x" * 300,
    "%s%n{0}",
    "os.system",
    "nan",
    "1e999",
)

VALUES = (
    *TEXTS,
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**400,
    1.5,
    -1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    [None],
    [0] * 5000,
)


def mutate_bytes(rng: np.random.Generator, content: bytes) -> bytes:
    """One to three kinds of damage; half of it near the beginning."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        if not data:
            break
        end = len(data) if rng.random() < 0.5 else min(len(data), 600)
        place = int(rng.integers(end))
        length = int(rng.integers(1, 65))
        kind = rng.integers(8)
        if kind == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind in (1, 2, 3):
            value = NUMBERS[rng.integers(len(NUMBERS))]
            if rng.random() < 0.3:
                value = value[::-1]
            data[place : place + len(value)] = value
        elif kind == 4:
            data[place : place + length] = rng.bytes(length)
        elif kind == 5:
            del data[place : place + length]
        elif kind == 6:
            data[place:place] = data[place : place + length] * int(rng.integers(1, 5))
        else:
            del data[place:]
    return bytes(data)


def mutate_json(rng: np.random.Generator, text: str) -> bytes:
    """Other values, missing and additional fields; sometimes just broken text."""
    if rng.random() < 0.15:
        return mutate_bytes(rng, text.encode())
    if rng.random() < 0.02:
        return b'{"a":' + b"[" * 100_000
    tree = copy.deepcopy(json.loads(text))
    for _ in range(rng.integers(1, 3)):
        _change_a_node(rng, tree)
    return json.dumps(tree).encode(errors="replace")


def _change_a_node(rng: np.random.Generator, tree) -> None:
    parent, key = _random_place(rng, tree)
    value = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    kind = rng.integers(5)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[str(value)[:50]] = parent.pop(key)
    elif kind == 1:
        parent.append(value)
    elif kind == 2 and isinstance(parent[key], int | float):
        factor = int(rng.choice([-1, 0, 2, 1000]))
        parent[key] = parent[key] * factor
    else:
        parent[key] = value


def _random_place(rng: np.random.Generator, tree):
    """A container of the tree and a key in it, deep ones as likely as shallow ones."""
    places = []

    def walk(node):
        keys = node if isinstance(node, dict) else range(len(node))
        for key in keys:
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(tree)
    return places[rng.integers(len(places))] if places else ({"": 0}, "")


def mutate_csv(
    rng: np.random.Generator,
    text: str,
    *,
    cells: tuple[str, ...],
    separator: str = ",",
) -> bytes:
    """Other cells, rows and columns; sometimes just broken text."""
    if rng.random() < 0.15:
        return mutate_bytes(rng, text.encode())
    rows = [line.split(separator) for line in text.splitlines()]
    for _ in range(rng.integers(1, 4)):
        row = rows[rng.integers(len(rows))]
        if not row:
            continue
        kind = rng.integers(6)
        if kind == 0:
            rows.append(list(row))
        elif kind == 1:
            row.append(str(rng.choice(cells)))
        elif kind == 2:
            del row[rng.integers(len(row))]
        else:
            row[rng.integers(len(row))] = str(rng.choice(cells))
    return "\n".join(separator.join(row) for row in rows).encode(errors="replace")
