"""Runs of tables that are not trained."""

import pytest

from samr_jax.data.dataset import open_dataset
from samr_jax.runs.workdir import claim
from samr_jax.runtime.files import write_json
from samr_jax.tables import make
from samr_jax.tables import table_runs as bench
from samr_jax.tables.rows import CG_SAMR
from samr_jax.tables.table_runs import TableRuns
from tests.tables import stand_ins


@pytest.fixture
def trained_configs(monkeypatch):
    """No training: what would have been trained, in order."""
    done = []

    def train(config, directory):
        data = open_dataset(config.data.dir)
        claim(directory, config, {"dataset_hash": data.content_hash})
        segments = config.method in (
            "segmentation",
            "cyclegan",
            "synseg",
            "unit",
            "ucg_samr",
        )
        result = stand_ins.fake_evaluation(data, config.seed, segments=segments)
        done.append((directory.parent.name, config.seed))
        write_json(directory / "metrics.json", result)
        return result

    monkeypatch.setattr(bench, "train_and_evaluate", train)
    monkeypatch.setattr(bench, "load_model", lambda directory: None)
    monkeypatch.setattr(bench, "add_judged_scores", lambda result, *_, **__: result)
    monkeypatch.setattr(bench, "table", lambda result: "")
    monkeypatch.setattr(make, "load_model", lambda directory: None)
    monkeypatch.setattr(make, "evaluate_trivial", lambda *_, **__: {})
    return done


@pytest.fixture
def table_runs(dataset, tmp_path):
    return TableRuns(
        tmp_path / "tables",
        stand_ins.tiny,
        CG_SAMR,
        seeds=(0, 1),
        overrides={"data.dir": str(dataset.directory)},
    )
