"""Several seeds as one evaluation."""

import pytest

from samr_jax.evaluation.scores.seeds import mean_tree, over_seeds

pytestmark = pytest.mark.quick


def test_seeds_become_one_evaluation():
    results = [
        {
            "method": "m",
            "slices": 3,
            "average": {"ssim": value, "cavity": None},
            "subjects": {n: {"ssim": value, "cavity": None} for n in "abcde"},
            "weights": {n: {"ssim": 3, "cavity": 0} for n in "abcde"},
        }
        for value in (0.5, 0.6, 0.7)
    ]
    mean = over_seeds(results)
    assert mean["method"] == "m" and mean["slices"] == 3 and mean["seeds"] == 3
    assert mean["average"]["ssim"] == pytest.approx(0.6)
    assert mean["average"]["cavity"] is None
    assert mean["spread"]["average"]["ssim"] == pytest.approx(0.1)
    assert mean["intervals"]["ssim"] == pytest.approx((0.6, 0.6))
    alone = over_seeds(results[:1])
    assert alone["average"] == results[0]["average"]
    assert alone["spread"]["average"]["ssim"] == 0


def test_a_field_that_some_trees_lack_is_the_mean_of_the_others():
    trees = [{"a": 1.0, "of": None}, {"a": 3.0, "of": {"b": 5.0}}, {"a": 2.0}]
    assert mean_tree(trees) == {"a": 2.0, "of": {"b": 5.0}}
    assert mean_tree([{"of": {"b": None}}, {"of": {"b": 2.0}}]) == {"of": {"b": 2.0}}
