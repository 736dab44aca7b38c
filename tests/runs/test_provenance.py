"""Results say what they came from, and the same settings give the same bits."""

import json
from importlib import metadata

import numpy as np

import samr_jax
from samr_jax.config import CONTROL_FIELDS
from samr_jax.runs.model import load_model
from samr_jax.runs.provenance import provenance
from samr_jax.training.loop import train_and_evaluate


def test_a_result_names_versions_seed_config_and_data(trained, dataset):
    told = json.loads((trained / "metrics.json").read_text())["provenance"]
    assert told == json.loads(json.dumps(provenance(load_model(trained))))
    for name in ("jax", "flax", "numpy"):
        assert told["versions"][name] == metadata.version(name)
    assert told["versions"]["samr_jax"] == samr_jax.__version__
    assert told["dataset_hash"] == dataset.content_hash
    assert (told["seed"], told["step"], told["config"]["batch_size"]) == (0, 4, 4)
    assert not set(told["config"]) & set(CONTROL_FIELDS)
    assert str(dataset.directory) not in json.dumps(told)


def test_the_same_seed_gives_the_same_bits(trained, config, tmp_path):
    train_and_evaluate(config, tmp_path)
    for name in ("metrics.json", "metrics.jsonl", "table.md"):
        assert (tmp_path / name).read_text() == (trained / name).read_text(), name
    first, second = load_model(trained).variables, load_model(tmp_path).variables
    np.testing.assert_equal(second, first)
