"""Which module may import which: the order of `LAYERS`, upwards only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path("samr_jax")

LAYERS = [
    "samr_jax.runtime",
    "samr_jax.labels",
    "samr_jax.sequences",
    "samr_jax.data",
    "samr_jax.prepare",
    "samr_jax.losses",
    "samr_jax.models",
    "samr_jax.methods",
    "samr_jax.config",
    "samr_jax.runs",
    "samr_jax.evaluation",
    "samr_jax.pretrained",
    "samr_jax.inference",
    "samr_jax.page",
    "samr_jax.training",
    "samr_jax.tables",
    "samr_jax.benchmark",
    "samr_jax.commands",
]
"""Lowest first. A module imports from its own folder and from those above it here."""

NUMPY_ONLY = (
    "samr_jax.data",
    "samr_jax.prepare",
    "samr_jax.evaluation.scores",
    "samr_jax.evaluation.drawing",
    "samr_jax.evaluation.reports",
)
"""Packages that work without JAX."""


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
    """The position of the folder that `name` is in, or None for the package itself."""
    folder = ".".join(name.split(".")[:2])
    return LAYERS.index(folder) if name != "samr_jax" else None


@pytest.mark.parametrize("name, path", modules(), ids=lambda value: str(value))
def test_imports_go_one_way(name, path):
    for target in imports(path):
        if target.split(".")[0] in ("launch", "configs", "tests"):
            raise AssertionError(f"{name} imports {target}")
        if name != "samr_jax" and target.startswith("samr_jax."):
            below = target.split(".")[1] in ("__version__",)
            assert below or layer(target) <= layer(name), f"{name} imports {target}"
        if name.startswith(NUMPY_ONLY):
            assert target.split(".")[0] not in ("jax", "flax", "optax"), target


GRAIN = "samr_jax.data.batches"
"""Grain, which shuffles the batches, loads JAX by itself."""


@pytest.mark.parametrize("package", NUMPY_ONLY)
def test_data_tools_do_not_load_jax(package):
    names = [
        name for name, _ in modules() if name.startswith(package) and GRAIN not in name
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
        "loaded = {'jax', 'flax', 'optax', 'orbax'} & set(sys.modules)\n"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_using_the_package_does_not_load_preparation_tools():
    code = (
        "import sys, samr_jax.training.loop\n"
        "import samr_jax.inference.api, samr_jax.inference.volumes\n"
        "bad = {'ants', 'torch', 'tensorflow', 'intensity_normalization'}\n"
        "sys.exit(str(bad & set(sys.modules)) if bad & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
