"""Nothing that is loaded can execute: what the source must not call, and the cache."""

import ast
import os
import stat
from pathlib import Path

import pytest

from samr_jax.runtime.launching import _is_private

FORBIDDEN = {
    "eval",
    "exec",
    "__import__",
    "os.system",
    "os.popen",
    "joblib.load",
    "yaml.load",
    "yaml.unsafe_load",
    "nib.load",  # any format, HDF5 among them
    "tfds.builder_from_directory",  # imports the classes that its files name
    "tfds.load",
}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}
SOURCES = sorted(Path().glob("samr_jax/**/*.py")) + sorted(Path().glob("launch/*.py"))


def dotted(node):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def offences(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names.append(getattr(node, "module", None) or "")
            yield from (n for n in names if n.split(".")[0] in UNSAFE_MODULES)
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        options = {option.arg: option.value for option in node.keywords}
        if name in FORBIDDEN:
            yield name
        pickles = options.get("allow_pickle")
        if name in ("np.load", "numpy.load") and getattr(pickles, "value", 1):
            yield "np.load without allow_pickle=False"
        if getattr(options.get("shell"), "value", False):
            yield f"{name} with a shell"


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_source_loads_data_only(path):
    assert not list(offences(ast.parse(path.read_text()))), path


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from dill import loads",
        "eval(text)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "nib.load(path)",
    ],
)
def test_the_test_sees_what_it_looks_for(code):
    assert list(offences(ast.parse(code)))


def test_the_compilation_cache_is_the_users_own(tmp_path):
    cache = tmp_path / "new" / "compiled"
    assert _is_private(cache) and stat.S_IMODE(cache.stat().st_mode) == 0o700
    cache.chmod(0o777)
    assert _is_private(cache) and stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_another_users_cache_is_not_used(tmp_path, monkeypatch):
    cache = tmp_path / "compiled"
    cache.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: cache.stat().st_uid + 1)
    assert not _is_private(cache)
