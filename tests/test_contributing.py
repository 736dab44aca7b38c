"""The walks of CONTRIBUTING.md, followed to the letter in a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import samr_jax

PAGE = Path("CONTRIBUTING.md")
BLOCK = re.compile(r"^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FILES = {
    "Add a loss": {"losses.py", "methods/samr_settings.py", "methods/cg_samr.py"},
    "Add a method": {
        "models/two_layers.py",
        "methods/two_layers.py",
        "../configs/two_layers.py",
    },
    "Add a sequence": {"sequences.py"},
    "Add a layout of files": {"prepare/find/named_files.py"},
    "Add a score": {
        "evaluation/scores/absolute_error.py",
        "evaluation/scores/registry.py",
    },
}
"""Walk -> all files that it touches, within the package."""


def walks():
    """``{title: text}`` of the page's sections."""
    _, *sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    return dict(section.split("\n", 1) for section in sections)


def follow(text, root):
    """Writes a walk's new files, applies its changes, and returns the touched files."""
    touched = set()
    for kind, code in BLOCK.findall(text):
        if kind == "python":
            name, content = code.removeprefix("# ").split("\n", 1)
            assert not (root / name).exists(), f"{name} is there already"
            (root / name).write_text(content)
            touched.add(name)
            continue
        for change in re.split(r"^--- ", code, flags=re.MULTILINE)[1:]:
            name, hunks = change.split("\n", 1)
            for hunk in hunks.split("@@\n")[1:]:
                apply(root / name, hunk.splitlines())
            touched.add(name)
    return {os.path.relpath(name, "samr_jax") for name in touched}


def apply(path, lines):
    """Replaces a hunk's old lines, which occur once in the file, by its new lines."""
    old, new = (
        "".join(f"{line[1:]}\n" for line in lines if line[:1] in ("", " ", sign))
        for sign in "-+"
    )
    text = path.read_text()
    assert text.count(old) == 1, f"{path}: {text.count(old)} times\n{old}"
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The files of every walk, and the copy in which all of them have been followed."""
    root = tmp_path_factory.mktemp("copy")
    weights = shutil.ignore_patterns("__pycache__", "anatomy", "parity", "version_*")
    for folder in ("samr_jax", "configs", "tests"):
        shutil.copytree(folder, root / folder, ignore=weights)
    sections = walks()
    return root, {title: follow(sections[title], root) for title in FILES}


@pytest.fixture(scope="module")
def failures(followed):
    """``{check: traceback}`` of what does not work in the copy."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.walks"],
        cwd=followed[0],
        env={**os.environ, "PYTHONPATH": str(followed[0])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("title", FILES)
def test_a_walk_touches_few_files(followed, title):
    assert followed[1][title] == FILES[title]


@pytest.mark.parametrize("check", ["loss", "method", "sequence", "layout", "score"])
def test_a_walk_arrives(failures, check):
    assert check not in failures, failures[check]


def test_the_code_of_the_walks_is_formatted(followed):
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(followed[0] / "samr_jax")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_the_hooks_have_the_ruff_of_the_tests():
    (wanted,) = re.findall(r'"(ruff[^"]*)"', Path("setup.py").read_text())
    page = yaml.safe_load(Path(".pre-commit-config.yaml").read_text())
    hooks = page["repos"][0]["hooks"]
    assert {tuple(hook["additional_dependencies"]) for hook in hooks} == {(wanted,)}


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load(Path("CITATION.cff").read_text())
    assert citation["version"] == samr_jax.__version__
    assert citation["license"] == "Apache-2.0"
    assert citation["preferred-citation"]["doi"] == "10.1109/TMI.2020.3046460"
