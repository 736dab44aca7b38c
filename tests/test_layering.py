"""Which module may import which: the order of `LAYERS`, upwards only."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path("samr_jax")

LAYERS = [
    (
        "samr_jax",
        "samr_jax.training.divergence",
        "samr_jax.runtime.errors",
        "samr_jax.runtime.files",
        "samr_jax.runtime.interruption",
        "samr_jax.benchmark.machine",
        "samr_jax.runtime.memory",
    ),
    ("samr_jax.labels",),
    ("samr_jax.config", "samr_jax.variants"),
    ("samr_jax.data",),
    ("samr_jax.evaluation",),
    ("samr_jax.prepare",),
    ("samr_jax.models",),
    ("samr_jax.methods.batch", "samr_jax.losses"),
    ("samr_jax.methods",),
    (
        "samr_jax.training.state",
        "samr_jax.runs.checkpoint",
        "samr_jax.runtime.parallel",
    ),
    ("samr_jax.training.step", "samr_jax.runs.workdir", "samr_jax.training.writers"),
    ("samr_jax.runs.model", "samr_jax.runs.provenance"),
    ("samr_jax.evaluation.scoring",),
    ("samr_jax.evaluation.evaluate",),
    (
        "samr_jax.inference.api",
        "samr_jax.pretrained",
        "samr_jax.inference.augment",
        "samr_jax.evaluation.baselines",
        "samr_jax.benchmark.measure",
        "samr_jax.evaluation.paper_figures",
        "samr_jax.data.embedded",
        "samr_jax.inference.export",
        "samr_jax.inference.segment",
        "samr_jax.inference.volumes",
        "samr_jax.inference.patient",
    ),
    ("samr_jax.training.loop",),
    ("samr_jax.tables",),
    ("samr_jax.runtime.launching",),
]
"""Lowest first. A module may import from its own line and the lines above it here."""

NUMPY_ONLY = ("samr_jax.data", "samr_jax.evaluation", "samr_jax.prepare")
"""Packages for which JAX must not be needed."""

FREE = ("samr_jax",)
"""Lazy re-exports are not dependencies."""


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, path


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(name):
    """The position of the longest entry that is `name` or a package around it."""
    fitting = [
        (len(entry), position)
        for position, line in enumerate(LAYERS)
        for entry in line
        if name == entry or (entry != "samr_jax" and name.startswith(entry + "."))
    ]
    return max(fitting)[1] if fitting else None


@pytest.mark.parametrize("name, path", modules(), ids=lambda value: str(value))
def test_imports_go_one_way(name, path):
    own = layer(name)
    assert own is not None, f"{name} is in no layer"
    for target in imports(path):
        if target.split(".")[0] in ("launch", "configs", "tests"):
            raise AssertionError(f"{name} imports {target}")
        if target.startswith("samr_jax.") and layer(target) is not None:
            assert layer(target) <= own, f"{name} imports {target}, which is above it"
        if name.startswith(NUMPY_ONLY):
            assert target.split(".")[0] not in ("jax", "flax", "optax"), target


def test_using_the_package_does_not_load_preparation_tools():
    import subprocess

    code = (
        "import sys, samr_jax, samr_jax.training.loop, samr_jax.inference.api, samr_jax.inference.volumes\n"
        "bad = {'ants', 'torch', 'tensorflow', 'intensity_normalization'}\n"
        "sys.exit(str(bad & set(sys.modules)) if bad & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
