"""The benchmark: what it prints, never how fast it is."""

import math

import jax
import pytest

from samr_jax.benchmark import measure
from samr_jax.benchmark.forms import NONE_LEFT, compare_forms, savings_table
from samr_jax.benchmark.measure import benchmark, count_work
from samr_jax.config import default
from samr_jax.models.convolution import forms
from samr_jax.training.state import make_optimizer
from tests.network import blocked
from tests.tiny import shrink


def test_benchmark_reports_work_and_times():
    config = shrink(default("pix2pix"))  # compiles in seconds
    with blocked() as asked:
        result = benchmark(config, size=32, steps=1)
    assert not asked
    peers = {"peer", "version", "device", "size", "batch", "ngf", "params"}
    assert peers | {"synthesis_s", "train_step_s", "peak_gib"} <= result.keys()
    assert result["params"]["G"] > 0 and result["params"]["D"] > 0
    for part in ("synthesis", "train"):
        assert result[f"{part}_compile_s"].keys() == {"cold", "warm"}
        assert result[f"{part}_cost"]["gflop"] > 0
    for name in ("synthesis_s", "train_step_s", "train_step_gib", "peak_gib"):
        assert 0 < result[name] < math.inf, name


def test_work_grows_as_it_must():
    """Convolutions: with the pixels, and with the slices of a batch."""
    config = shrink(default("pix2pix"))
    config.batch_size = 2
    small = count_work(config, size=32)
    large = count_work(config, size=64)
    config.batch_size = 4
    many = count_work(config, size=32)
    for name in ("synthesis_gflop", "train_gflop"):
        assert large[name] == pytest.approx(4 * small[name], 0.2)
        assert many[name] == pytest.approx(2 * small[name], 0.01)


def test_the_step_that_is_timed_has_the_optimizer_of_a_training():
    """Clipping of gradients, which a training may ask for, takes its time."""
    config = shrink(default("pix2pix"))
    config.clip_norm = 1.0
    *_, optimizer = measure.prepared(config, 32, axis_name=None)
    trained = make_optimizer(config, steps=10)
    params = jax.numpy.zeros(3)
    expected = jax.tree.structure(trained.init(params))
    assert jax.tree.structure(optimizer.init(params)) == expected


def test_forms_are_compared_where_they_change_the_program():
    config = shrink(default("pix2pix"))
    savings = compare_forms(config, size=32, rounds=2, train=False)
    by_form = {saving.without: saving for saving in savings}
    assert by_form.keys() == {NONE_LEFT, *forms.FORMS}
    # pix2pix up-samples, and its layers are too narrow for Winograd's method.
    assert by_form["winograd"].wall is None
    for saving in (by_form["subpixel"], by_form[NONE_LEFT]):
        assert 0 < saving.wall < math.inf and 0 < saving.cpu < math.inf
    lines = savings_table(savings).splitlines()
    assert len(lines) == 2 + len(savings) + 1
    assert "| winograd | the same program |" in lines
