"""Configs: the paper's numbers, overrides, and the record in the work directory."""

import importlib.util
import math
from pathlib import Path

import pytest

from samr_jax.config import check_size, default, flatten, validate
from samr_jax.methods.build import method_names
from samr_jax.runs.workdir import claim, read_config
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import replacing

pytestmark = pytest.mark.quick


def test_the_papers_numbers():
    config = default()
    paper = {
        "batch_size": 8,
        "epochs": 500,
        "constant_epochs": 250,
        "learning_rate": 2e-4,
        "adam_b1": 0.5,
        "loss.feature_matching": 5.0,
        "loss.shape_consistency": 1.0,
        "loss.confidence": 1.0,
        "loss.lambda_cm": 0.1,
        "loss.lambda_cm_late": 0.03,
        "loss.confidence_threshold": 0.7,
    }
    assert {name: flatten(config)[name] for name in paper} == paper


@pytest.mark.parametrize("path", sorted(Path("configs").glob("*.py")), ids=str)
def test_config_files_load_and_are_valid(path):
    spec = importlib.util.spec_from_file_location("config_file", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for variant in ("paper", "demo"):
        validate(module.get_config(variant))
    if path.stem in ("anatomy", "segmentation"):
        validate(module.get_config("pretrained"))
    if path.stem == "anatomy":
        validate(module.get_config("patients"))
    with pytest.raises(ValueError, match="huge"):
        module.get_config("huge")


def test_config_is_kept_and_read_back(tmp_path):
    config = default()
    config.model.ngf = 4
    config.data.sequences = ("T1w", "FLAIR")
    claim(tmp_path, config, {"dataset_hash": "x"})
    claim(tmp_path, config, {"dataset_hash": "x"})
    assert flatten(read_config(tmp_path)) == flatten(config)
    with pytest.raises(InputError, match="dataset_hash is 'x', this run has 'y'"):
        claim(tmp_path, config, {"dataset_hash": "y"})


@pytest.mark.parametrize("text", ["{", "[]", '{"config": {"nope.x": 1}}', '{"a": 1}'])
def test_damaged_records(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json") as caught:
        read_config(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", method_names())
def test_numbers_that_cannot_be_are_refused_with_the_fields_name(method):
    """A negative count would train something else, and NaN nothing."""
    for field, value in flatten(default(method)).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        for wrong in (-1,) if isinstance(value, int) else (-1.0, math.nan, math.inf):
            config = default(method)
            config.update_from_flattened_dict({field: wrong})
            with pytest.raises(InputError, match=rf"config\.{field} is {wrong}, exp"):
                validate(config)


def test_sizes():
    check_size((64, 96), 4, source="x")
    with pytest.raises(InputError, match="x: slices of 64 x 100, expected a multiple"):
        check_size((64, 100), 4, source="x")


def test_the_rate_is_constant_for_half_of_any_number_of_epochs():
    config = default()
    config.epochs = 100
    assert config.constant_epochs == 50
    validate(config)
    config.constant_epochs = 70
    config.epochs = 80
    assert config.constant_epochs == 70


def test_files_appear_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    below = replacing(tmp_path / "file.txt" / "below")
    with pytest.raises(InputError, match="cannot be written"), below as partial:
        partial.write_text("x")
