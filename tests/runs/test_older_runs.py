"""A run of version 0.1.0 resumes, evaluates and synthesizes."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

import samr_jax
from samr_jax.config import default, flatten
from samr_jax.data.atlas import stack_neighbours
from samr_jax.runs.older import RENAMED, upgraded
from samr_jax.runs.workdir import claim, read_config
from samr_jax.runtime.errors import InputError
from samr_jax.training.loop import train_and_evaluate

RUNS = {"cg_samr": 4, "ucg_samr": 2}
"""Method of each stored run, and its last step. The checkpoint is of the middle."""


@pytest.fixture(params=RUNS)
def older(request, tmp_path) -> Path:
    """The work directory of a tiny run on `tests.tiny.tiny_dataset`."""
    with tarfile.open(f"tests/runs/version_0_1_0/{request.param}.tar.xz") as stored:
        stored.extractall(tmp_path, filter="data")
    return tmp_path / request.param


def losses(workdir):
    """Losses and their terms by step; a resumed run appends its own lines."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return {
        entry["step"]: {
            name: value
            for name, value in entry.items()
            if name.startswith(("gen/", "disc/"))
        }
        for entry in map(json.loads, lines)
        if "gen/total" in entry
    }


def test_it_resumes_with_the_same_losses(older, dataset):
    last = RUNS[older.name]
    expected = losses(older)[last]
    (older / "metrics.jsonl").unlink()
    config = read_config(older)
    assert config.method == older.name
    config.data.dir = str(dataset.directory)
    assert train_and_evaluate(config, older)["step"] == last
    found = losses(older)
    assert set(found) == set(range(last // 2 + 1, last + 1))
    assert found[last] == pytest.approx(expected, rel=1e-4)


def test_it_synthesizes(older, dataset):
    if older.name != "cg_samr":
        pytest.skip("an atlas and a mask are all that the arrays' interface takes")
    labels = dataset.split("test")[0]["labels"]
    atlas = stack_neighbours(dataset.atlas)[0]
    out = samr_jax.synthesize(labels, atlas, checkpoint=older)
    assert out.images.shape == (32, 32, 2) and np.isfinite(out.images).all()


def test_another_config_is_still_refused(older):
    config = read_config(older)
    config.learning_rate = 1.0
    with pytest.raises(InputError, match=r"rate is 0\.0002, this run has 1\.0"):
        claim(older, config, {})


@pytest.mark.parametrize("older_name, name", RENAMED.items())
def test_renamed_fields_are_fields_of_some_method(older_name, name):
    methods = ("cg_samr", "ucg_samr", "unit", "segmentation")
    assert any(name in flatten(default(method)) for method in methods)
    assert not any(older_name in flatten(default(method)) for method in methods)


def test_a_field_that_no_version_knew_is_not_dropped():
    leaves = upgraded({"method": "pix2pix", "disc_rate": 2.0, "typo": 1})
    assert leaves == {"method": "pix2pix", "disc_lr_scale": 2.0, "typo": 1}
