"""Training that starts with another run's weights: what is taken, new, or refused."""

import json

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from samr_jax.config import method_config
from samr_jax.methods.batch import decode
from samr_jax.pretrained import load_pretrained
from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runs.model import build_method, load_model
from samr_jax.runs.provenance import provenance
from samr_jax.runtime.errors import InputError
from samr_jax.training.data import training_batches
from samr_jax.training.loop import Run
from samr_jax.training.start import start_from
from samr_jax.training.state import create_state, make_optimizer
from tests.tiny import tiny_config, tiny_dataset


def new_state(dataset, config):
    method = build_method(config, dataset)
    example = training_batches(config, dataset, method)[0]
    batch = decode({name: array[:1] for name, array in example.items()})
    optimizer = make_optimizer(config, steps=4)
    return method, create_state(method, jax.random.key(7), batch, optimizer=optimizer)


def started(source, dataset, config):
    method, state = new_state(dataset, config)
    return state, *start_from(
        str(source),
        state,
        method,
        name=config.method,
        sequences=dataset.sequences,
    )


def flat(tree):
    return flatten_dict(tree, sep="/")


@pytest.fixture(scope="module")
def stored(trained):
    checkpoints = Checkpoints(trained / "checkpoints", read_only=True)
    state, _ = checkpoints.read()
    checkpoints.close()
    return state


def test_all_weights_of_both_sides_are_taken_and_the_optimizers_are_new(
    dataset, config, trained, stored
):
    _, state, record = started(trained, dataset, config)
    for side in ("gen", "disc"):
        player = getattr(state, side)
        for tree, name in ((player.params, "params"), (player.stats, "stats")):
            found, expected = flat(tree), flat(stored[side][name])
            assert found.keys() == expected.keys()
            for path, value in expected.items():
                np.testing.assert_array_equal(found[path], value)
        assert not any(np.any(leaf) for leaf in jax.tree.leaves(player.opt_state))
    assert state.step == 0 and record["new_networks"] == []
    assert record["from"]["step"] == stored["step"]


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A dataset of another size, and with sequences in another order, one of them new.

    The run's sequences are T1w and APTw.
    """
    return tiny_dataset(
        tmp_path_factory.mktemp("others") / "data",
        subjects=3,
        sequences=("FLAIR", "APTw", "T1w"),
    )


def test_branches_and_channels_are_matched_by_the_sequences_names(
    others, trained, stored
):
    fresh, state, record = started(trained, others, tiny_config(others))
    ours, theirs = flat(state.gen.params), flat(stored["gen"]["params"])
    random = flat(fresh.gen.params)
    for module in ("branch", "heads"):
        for own, other in ((1, 1), (2, 0)):
            prefix = f"generator/decoder/{module}_{own}/"
            paths = [path for path in ours if path.startswith(prefix)]
            assert paths
            for path in paths:
                there = path.replace(f"{module}_{own}", f"{module}_{other}")
                np.testing.assert_array_equal(ours[path], theirs[there])
    for path in ours:
        if "branch_0" in path or "heads_0" in path:
            np.testing.assert_array_equal(ours[path], random[path])
    kernel = "generator/atlas_encoder/stem/conv/kernel"
    expected = np.concatenate(
        [random[kernel][:, :, :3], theirs[kernel][:, :, 3:], theirs[kernel][:, :, :3]],
        axis=2,
    )
    np.testing.assert_array_equal(ours[kernel], expected)
    kernel = "discriminator/lesion/scale_0/layer_0/conv/kernel"
    mine, yours = (
        flat(state.disc.params)[kernel],
        flat(stored["disc"]["params"])[kernel],
    )
    np.testing.assert_array_equal(mine[:, :, :5], yours[:, :, :5])  # the mask
    np.testing.assert_array_equal(mine[:, :, 8:11], yours[:, :, 8:11])  # APTw's atlas
    np.testing.assert_array_equal(mine[:, :, -1], yours[:, :, -2])  # T1w's image
    assert record["sequences"] == ["T1w", "APTw"]


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("model.ngf", 3, r"shape \(.*\), expected \(.*\): the same config\.model"),
        ("model.downsamplings", 1, r"(holds|lacks|of shape) .*expected"),
        ("ablation.stretch_out", False, "expected"),
    ],
)
def test_other_networks_are_refused(dataset, config, trained, field, value, message):
    section, leaf = field.split(".")
    config[section][leaf] = value
    with pytest.raises(InputError, match=message) as caught:
        started(trained, dataset, config)
    assert str(caught.value).startswith(f"config.start_from={trained}: ")
    assert "\n" not in str(caught.value)


def test_discriminators_of_another_kind_start_anew(dataset, config, trained, stored):
    config.model.disc_norm = "none"
    fresh, state, record = started(trained, dataset, config)
    assert record["new_networks"] == ["discriminator"]
    assert not any("/norm/" in path for path in flat(state.disc.params))
    for path, value in flat(fresh.disc.params).items():
        np.testing.assert_array_equal(flat(state.disc.params)[path], value)
    for path, value in flat(stored["gen"]["params"]).items():
        np.testing.assert_array_equal(flat(state.gen.params)[path], value)


def test_another_method_is_refused_and_leaves_no_run_behind(dataset, trained, tmp_path):
    config = tiny_config(dataset, "samr")
    config.start_from = str(trained)
    with pytest.raises(InputError, match="a run of cg_samr, expected one of samr"):
        Run(config, tmp_path / "run", dataset)
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_not_there_is_refused(dataset, config, tmp_path):
    config.start_from = str(tmp_path / "nowhere")
    with pytest.raises(InputError, match="expected a work directory of a run"):
        Run(config, tmp_path / "run", dataset)


def test_the_packaged_weights_start_a_training_of_their_method(dataset):
    """They are of the generator alone: U and D are new; T1w and APTw are matched."""
    config = method_config("anatomy", "patients")
    config.data.dir = str(dataset.directory)
    config.model.ndf = 1
    _, state, record = started(config.start_from, dataset, config)
    assert record["new_networks"] == ["segmenter", "discriminator"]
    theirs = flat(load_pretrained().variables["params"])
    ours = flat(state.gen.params)
    path = "generator/decoder/branch_{}/out/kernel"
    np.testing.assert_array_equal(ours[path.format(1)], theirs[path.format(4)])


def test_the_start_is_recorded_with_the_run_and_in_its_provenance(
    dataset, config, trained, tmp_path
):
    config.start_from = str(trained)
    config.sample_epochs = config.eval_epochs = 1e6
    run = Run(config, tmp_path / "run", dataset)
    run.train()
    told = provenance(load_model(tmp_path / "run"))
    assert told["start"]["from"]["config"]["method"] == "cg_samr"
    assert str(trained) not in json.dumps(told)
    # A run that has a checkpoint goes on from there and does not need the source.
    again = Run(config, tmp_path / "run", dataset)
    assert again.start == told["start"]
