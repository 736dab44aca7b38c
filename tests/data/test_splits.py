"""Splits are by patient, complete, reproducible and of the paper's sizes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samr_jax.data.splits import patient_in_name, split_subjects
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick


def _patients(count):
    return [f"p{i:03d}" for i in range(count)]


@pytest.mark.parametrize(
    "name, patient",
    [
        ("sub-0003_ses-02", "sub-0003"),
        ("BraTS-GLI-00060-101", "BraTS-GLI-00060"),
        ("BraTS2021_00002", "BraTS2021_00002"),
        ("phantom-007", "phantom-007"),
        ("blob-3", "blob-3"),
    ],
)
def test_patient_of_a_subject_by_its_name(name, patient):
    assert patient_in_name(name) == patient


def _sizes(count, **options):
    return tuple(len(v) for v in split_subjects(_patients(count), **options).values())


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(100, (72, 10, 18)), (2, (1, 0, 1)), (3, (2, 0, 1)), (4, (2, 1, 1))],
)
def test_sizes(count, sizes):
    assert _sizes(count) == sizes


@settings(max_examples=50, deadline=None)
@given(count=st.integers(2, 200), seed=st.integers(0, 2**31))
def test_every_patient_is_in_one_split(count, seed):
    splits = split_subjects(_patients(count), seed=seed)
    members = [name for names in splits.values() for name in names]
    assert sorted(members) == _patients(count)
    assert splits["train"] and splits["test"]
    for share, names in zip((0.72, 0.10, 0.18), splits.values(), strict=True):
        assert abs(len(names) - share * count) <= 1.5


def test_order_and_repeats_do_not_matter_but_the_seed_does():
    names = _patients(30)
    first = split_subjects(names, seed=1)
    assert split_subjects([*reversed(names), *names], seed=1) == first
    assert split_subjects(names, seed=2) != first


def test_one_patient_cannot_be_split():
    with pytest.raises(InputError, match=r"1 patient\(s\), expected two or more"):
        split_subjects(["a", "a"])


def test_shares_must_be_usable():
    with pytest.raises(InputError, match="three shares"):
        split_subjects(_patients(5), fractions=(0.9, -0.1, 0.2))
