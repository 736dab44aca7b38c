"""Distances to training slices, against all pairs, mirror images and shifts."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from samr_jax.evaluation.scores.memorisation import (
    NearestTraining,
    middle,
    nearest_distance,
    reduced,
)
from samr_jax.evaluation.scores.score import ScoredSlices

pytestmark = pytest.mark.quick


def add(nearest, synthesized, real):
    labels = np.zeros(real.shape[:-1], np.uint8)
    count = range(len(real))
    nearest.add(ScoredSlices(synthesized, real, labels, count, count))


def blocks(images):
    """Slices of 128 x 128 as means over 4 x 4 pixels, by another way."""
    return images.reshape(-1, 32, 4, 32, 4, images.shape[-1]).mean((2, 4))


def all_distances(images, training):
    """Each slice and training slice, mirrored or not, moved by up to two blocks."""
    kept = blocks(training)[:, None, 2:30, 2:30]
    for step in (1, -1):
        turned = blocks(images[:, :, ::step])
        for y, x in itertools.product(range(-2, 3), repeat=2):
            moved = turned[None, :, 2 + y : 30 + y, 2 + x : 30 + x]
            yield np.sqrt(np.square(moved - kept).mean((2, 3, 4)))


def test_distance_to_the_nearest_training_slice():
    rng = np.random.default_rng(6)
    training = rng.uniform(-1, 1, (7, 128, 128, 2))
    real = rng.uniform(-1, 1, (3, 128, 128, 2))
    synthesized = np.stack([training[2], training[5] + 0.25, real[0]])
    nearest = NearestTraining(training)
    add(nearest, synthesized[:2], real[:2])
    add(nearest, synthesized[2:], real[2:])

    def distances(images):
        return np.min(list(all_distances(images, training)), axis=(0, 1))

    ours, theirs = distances(synthesized), distances(real)
    np.testing.assert_allclose(ours[0], 0, atol=1e-6)
    summary = nearest.summary()
    assert summary["ratio"] == pytest.approx(np.median(ours / theirs), rel=1e-4)
    assert summary["lowest"] == pytest.approx(0, abs=1e-6)
    assert summary["real"] == pytest.approx(theirs.mean(), rel=1e-4)
    assert summary["training_slices"] == 7


@pytest.mark.parametrize(
    ("mirrored", "down", "right"), [(True, 8, -4), (False, -8, 8), (True, 0, 0)]
)
def test_a_mirrored_and_shifted_copy_is_found(mirrored, down, right):
    """Where the slices lie, the copy is about as far as any other slice."""
    training = np.random.default_rng(8).uniform(-1, 1, (5, 128, 128, 2))
    copy = np.roll(training[3], (down, right), axis=(0, 1))
    copy = copy[:, ::-1] if mirrored else copy
    kept = middle(reduced(training))
    in_place = np.square(middle(reduced(copy[None])) - kept).mean(axis=1)
    assert in_place.min() > 0.7 * in_place.mean()
    assert nearest_distance(copy[None], kept)[0] < 1e-6
    other = np.random.default_rng(9).uniform(-1, 1, (1, 128, 128, 2))
    assert nearest_distance(other, kept)[0] ** 2 > 0.7 * in_place.mean()


def test_a_copy_that_is_shifted_by_part_of_a_block_is_close():
    rng = np.random.default_rng(10)
    images = ndimage.gaussian_filter(rng.normal(size=(6, 128, 128, 1)), (0, 8, 8, 0))
    kept = middle(reduced(images[:5]))
    copies = np.roll(images[:5], (6, 2), axis=(1, 2))[:, :, ::-1]
    distances = nearest_distance(np.concatenate([copies, images[5:]]), kept)
    assert np.all(distances[:5] < 0.5 * distances[5])


def test_no_ratio_where_every_real_slice_is_a_training_slice():
    images = np.random.default_rng(7).uniform(-1, 1, (2, 8, 8, 1))
    nearest = NearestTraining(images)
    add(nearest, images, images)
    assert nearest.summary()["ratio"] is None
    assert nearest.summary()["synthesized"] == 0
