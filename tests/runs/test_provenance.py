"""Results say what they came from."""

import json
from importlib import metadata

import samr_jax
from samr_jax.config import CONTROL_FIELDS
from samr_jax.runs.model import load_model
from samr_jax.runs.provenance import provenance


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
