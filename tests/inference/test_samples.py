"""Several syntheses of one mask, and their standard deviation."""

import nibabel as nib
import numpy as np
import pytest

from samr_jax.evaluation.scoring import syntheses
from samr_jax.inference.samples import RunningDeviation
from samr_jax.inference.synthesizer import Synthesizer
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import read_json
from tests.inference.test_anatomy import random_model


@pytest.fixture(scope="module")
def mask(dataset, tmp_path_factory):
    labels = np.stack([item["labels"] for item in dataset.split("test")])
    path = tmp_path_factory.mktemp("masks") / "mask.nii.gz"
    image = nib.Nifti1Image(np.transpose(labels, (2, 1, 0)), dataset.grid.affine)
    nib.save(image, path)
    return path


def test_samples_have_their_own_noise_and_a_deviation(dataset, mask, tmp_path):
    model = random_model(dataset, "anatomy", noise=1)
    options = {"model": model, "anatomy": "average", "sequences": ["T1w"]}
    out = tmp_path / "out"
    paths = Synthesizer(**options, seed=3, samples=3)(mask, out)
    assert set(paths) <= set(out.rglob("*")) and out / "T1w_std.nii.gz" in paths
    assert not list(out.rglob("APTw*"))
    places = [out, out / "sample-2", out / "sample-3"]
    records = [read_json(place / "provenance.json") for place in places]
    assert [record["noise_seed"] for record in records] == [3, 4, 5]
    images = [nib.load(place / "T1w.nii.gz").get_fdata() for place in places]
    alone = Synthesizer(**options, seed=4)(mask, tmp_path / "alone")
    np.testing.assert_array_equal(nib.load(alone[0]).get_fdata(), images[1])
    found = nib.load(out / "T1w_std.nii.gz").get_fdata()
    assert found.max() > 0
    np.testing.assert_allclose(found, np.std(images, axis=0, ddof=1), atol=0.05)


def test_samples_of_a_model_without_noise_are_refused(dataset):
    model = random_model(dataset, "anatomy")
    with pytest.raises(InputError, match=r"samples 4: this run of .* sees no noise"):
        Synthesizer(model=model, samples=4)


def test_deviation_of_large_values():
    """Numpy's, where a sum of squares in single precision would lose all digits."""
    rng = np.random.default_rng(0)
    arrays = (1e4 + rng.normal(size=(5, 7))).astype(np.float32)
    running = RunningDeviation()
    for array in arrays:
        running.add(array)
    expected = arrays.astype(np.float64).std(axis=0, ddof=1)
    np.testing.assert_allclose(running.value, expected, rtol=1e-2)


def test_the_noise_of_a_slice_does_not_depend_on_the_size_of_a_batch(dataset):
    model = random_model(dataset, "anatomy", noise=1)
    one, two, all_ = (
        syntheses(model, list(dataset.split("test")), batch_size=size)
        for size in (1, 2, 8)
    )
    np.testing.assert_allclose(one, all_, atol=1e-5)
    np.testing.assert_allclose(two, all_, atol=1e-5)
