"""The stages of the packaged weights: each starts from the run of the stage before."""

import pytest

from samr_jax.config import method_of, validate
from samr_jax.methods.base import Context
from samr_jax.tables import stages
from samr_jax.tables.rows import ANATOMY, SEGMENTER
from samr_jax.tables.stages import STAGES, last_stage, train_earlier_stages
from tests.methods.method_cases import parts_of

pytestmark = pytest.mark.quick


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """The configs that were trained, by their work directories."""
    runs = {}
    monkeypatch.setattr(stages, "training_dataset", lambda config: config.data.size)
    monkeypatch.setattr(
        stages,
        "run",
        lambda config, directory, dataset: runs.update({directory: config}),
    )
    train_earlier_stages(tmp_path)
    return runs


def test_each_stage_starts_from_the_stage_before(trained, tmp_path):
    sizes = [stage.size for stage in STAGES]
    assert sizes == sorted(sizes)
    assert [config.data.size for config in trained.values()] == sizes[:-1]
    starts = [config.start_from for config in trained.values()]
    assert [*starts, last_stage(ANATOMY, tmp_path).start_from] == [
        "",
        *map(str, trained),
    ]


def test_all_stages_have_the_same_networks(trained, tmp_path):
    configs = [*trained.values(), last_stage(ANATOMY, tmp_path)]
    shapes = []
    for config in configs:
        validate(config)
        size = config.data.size
        method = method_of(config, Context(sequences=2, size=(size, size)))
        shapes.append(parts_of(method)[0])
    assert all(shape == shapes[0] for shape in shapes)


def test_the_segmenter_has_the_last_stages_data(tmp_path):
    judge = last_stage(SEGMENTER, tmp_path)
    assert judge.method == "segmentation" and judge.start_from == ""
    assert judge.data.size == STAGES[-1].size
