"""The commands that the pages show, against the flags and fields that there are."""

import importlib
import re
from pathlib import Path

import pytest

from samr_jax.commands import COMMANDS
from samr_jax.commands.frame.config_flag import read_config
from samr_jax.config import flatten

pytestmark = pytest.mark.quick

PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), *sorted(Path("docs").glob("*.md"))]
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:samr-jax |launch/)(\w+)(?:\.py)?((?: +--?[^\s#]+)+)")


def examples(page):
    """``(command, {flag: value})`` of every command of the package on a page."""
    for block in BLOCK.findall(page.read_text()):
        for name, flags in COMMAND.findall(block.replace("\\\n", " ")):
            given = re.findall(r"--([\w.]+)=?(\S*)", flags)
            yield {"main": "train"}.get(name, name), dict(given)


def test_examples_are_found():
    assert sum(len(list(examples(page))) for page in PAGES) > 40


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_examples_have_flags_that_there_are(page):
    for name, given in examples(page):
        if "help" in given or "version" in given:
            continue
        assert name in COMMANDS, f"{page}: {name}"
        known = set(importlib.import_module(f"samr_jax.commands.{name}").FLAGS.values)
        flags = {flag for flag in given if not flag.startswith("config.")}
        assert flags <= known, f"{page}: {name} {flags - known}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_examples_have_configs_and_fields_that_there_are(page):
    for name, given in examples(page):
        if "config" not in given or "two_layers" in given["config"]:
            continue  # The method of the walk in CONTRIBUTING.md is not there.
        fields = set(flatten(read_config(given["config"])))
        used = {flag[7:] for flag in given if flag.startswith("config.")}
        assert used <= fields, f"{page}: {name} {used - fields}"
