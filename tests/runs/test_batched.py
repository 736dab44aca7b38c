"""A model over arrays of any length, against the whole arrays at once."""

import numpy as np
import pytest

from samr_jax.runs.batched import segment_all, synthesize_all
from tests.stand_ins import Both


class OneSize(Both):
    """Refuses batches of any size but one, as a compiled network does."""

    def synthesize(self, stored):
        assert len(stored["labels"]) == 4
        return super().synthesize(stored)

    def segment(self, stored):
        assert len(stored["images"]) == 4
        return super().segment(stored)


@pytest.mark.parametrize("count", [1, 4, 7, 8])
def test_batches_have_one_size_and_their_results_are_joined(dataset, count):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (count, 6, 8)).astype(np.uint8)
    images = rng.uniform(-1, 1, (count, 6, 8, 2)).astype(np.float32)
    whole, one_size = Both(dataset), OneSize(dataset)
    found = synthesize_all(one_size, {"labels": labels}, batch_size=4)
    expected = whole.synthesize({"labels": labels})
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.confidence, expected.confidence)
    segmented = segment_all(one_size, {"images": images}, batch_size=4)
    np.testing.assert_array_equal(segmented, whole.segment({"images": images}))


def test_what_a_method_does_not_have_stays_none(dataset):
    class WithoutConfidence(Both):
        def synthesize(self, stored):
            return super().synthesize(stored).replace(confidence=None)

    labels = np.zeros((3, 6, 8), np.uint8)
    found = synthesize_all(WithoutConfidence(dataset), {"labels": labels})
    assert found.confidence is None and len(found.images) == 3
