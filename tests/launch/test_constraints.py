"""The list of tested versions, against what the package asks for."""

from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.quick

EXTRAS = ("", "prepare", "docs", "page", "test")


def test_every_requirement_has_a_tested_version_that_it_allows():
    lines = Path("constraints.txt").read_text().splitlines()
    pinned = [Requirement(line) for line in lines if not line.startswith("#")]
    versions = {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pinned
    }
    asked = [Requirement(text) for text in metadata.requires("samr_jax") or ()]
    asked = [
        one
        for one in asked
        if not one.marker or any(one.marker.evaluate({"extra": e}) for e in EXTRAS)
    ]
    assert len(asked) > 20
    for one in asked:
        version = versions.get(canonicalize_name(one.name))
        if canonicalize_name(one.name) == "setuptools":
            continue  # of the environment, not listed by pip
        assert version is not None, one.name
        assert one.specifier.contains(version), f"{one.name} {version}"
