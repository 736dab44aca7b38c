"""Unpaired sampling: two domains that never share a slice."""

import numpy as np
import pytest

from samr_jax.data.batches.unpaired import UnpairedBatches
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick


def numbered_slices(subjects=5, each=4):
    """Instances whose arrays say which slice they are of."""
    return [
        {
            "subject": f"subject-{i // each}",
            "labels": np.array(i),
            "tissue": np.array(i),
            "images": np.array(i),
        }
        for i in range(subjects * each)
    ]


def subjects_of(slices, rows):
    return {slices[row]["subject"] for row in rows}


@pytest.mark.parametrize("batch_size", [1, 3])
def test_domains_are_of_different_subjects_and_see_all_their_slices(batch_size):
    slices = numbered_slices()
    batches = UnpairedBatches(slices, batch_size=batch_size, seed=3)
    assert batches.epoch_steps == 12 // batch_size
    seen = [batches[step] for step in range(24)]
    first = np.concatenate([batch["labels"] for batch in seen])
    second = np.concatenate([batch["images"] for batch in seen])
    assert all((batch["labels"] == batch["tissue"]).all() for batch in seen)
    own, others = subjects_of(slices, first), subjects_of(slices, second)
    assert (len(own), len(others)) == (3, 2) and not own & others
    # One epoch: each of the 12 and 8 slices once, in an order of its own.
    assert sorted(first[:12]) == sorted({*first.tolist()})
    assert sorted(second[:8]) == sorted({*second.tolist()})
    assert first[:12].tolist() != first[12:24].tolist()


def test_division_and_order_come_from_the_seed():
    slices = numbered_slices(subjects=8)

    def run(seed):
        batches = UnpairedBatches(slices, batch_size=2, seed=seed)
        return [batches.rows(step) for step in range(8)]

    assert run(0) == run(0)
    divisions = {
        frozenset(subjects_of(slices, [r for first, _ in run(seed) for r in first]))
        for seed in range(6)
    }
    assert len(divisions) > 1


@pytest.mark.parametrize("batch_size", [1, 4, 7])
def test_same_subjects_never_share_a_slice(batch_size):
    slices = numbered_slices(subjects=2)
    batches = UnpairedBatches(slices, batch_size=batch_size, seed=0, same_subjects=True)
    seen = [batches.rows(step) for step in range(200)]
    assert not any(set(first) & set(second) for first, second in seen)
    for domain in zip(*seen, strict=True):
        assert {row for rows in domain for row in rows} == set(range(8))


@pytest.mark.parametrize("same_subjects", [False, True])
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_out_the_global_batch(processes, same_subjects):
    options = {"batch_size": 4, "seed": 1, "same_subjects": same_subjects}
    whole = UnpairedBatches(numbered_slices(), **options)
    parts = [
        UnpairedBatches(
            numbered_slices(), process_index=i, process_count=processes, **options
        )
        for i in range(processes)
    ]
    for step in range(30):
        batch = whole[step]
        own = [part[step] for part in parts]
        for name in ("labels", "tissue", "images"):
            shares = [share[name] for share in own]
            assert {len(share) for share in shares} == {4 // processes}
            np.testing.assert_array_equal(np.stack(shares, axis=1).ravel(), batch[name])
        # No device sees a mask of which another one sees the images.
        assert not {*batch["labels"].tolist()} & {*batch["images"].tolist()}


def test_batches_are_a_function_of_the_step():
    options = {"batch_size": 2, "seed": 0, "same_subjects": True}
    fresh, read = (UnpairedBatches(numbered_slices(), **options) for _ in range(2))
    for step, batch in enumerate(read.iterate(5, 25), start=5):
        for name, array in batch.items():
            np.testing.assert_array_equal(array, fresh[step][name])
    assert step == 24


@pytest.mark.parametrize(
    "subjects, options, message",
    [
        (1, {}, r"1 subject\(s\), expected at least 2"),
        (1, {"same_subjects": True}, "4 slices, expected more than"),
        (4, {"process_count": 3}, "not divisible by 3 processes"),
    ],
)
def test_too_little_data_is_refused(subjects, options, message):
    with pytest.raises(InputError, match=message):
        UnpairedBatches(numbered_slices(subjects), batch_size=4, seed=0, **options)
