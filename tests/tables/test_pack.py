"""Packing a run, and what a damaged package says."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
import safetensors
import safetensors.numpy

import samr_jax
from samr_jax.data.atlas import stack_neighbours
from samr_jax.data.lesion_ranges import LESION_RANGES
from samr_jax.data.nifti import read_labels
from samr_jax.labels import TISSUES
from samr_jax.pretrained.load import MASK, WEIGHTS, load_package
from samr_jax.runs.model import load_model
from samr_jax.runs.weights import read_header
from samr_jax.runtime.errors import InputError
from samr_jax.tables.pack import pack

SCORES = {"CG-SAMR": {"ssim": 0.5}}
TABLE = "# Table I\n"


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained)


@pytest.fixture(scope="module")
def package(model, dataset, tmp_path_factory):
    directory = tmp_path_factory.mktemp("packed") / "package"
    pack(model, dataset, directory, scores=SCORES, table=TABLE)
    return directory


def test_a_package_synthesizes_what_the_run_does(model, package, dataset):
    packed = load_package(package)
    labels = dataset.split("test")[0]["labels"]
    atlas = stack_neighbours(dataset.atlas)[0]
    before = samr_jax.synthesize(labels, atlas, checkpoint=model)
    after = samr_jax.synthesize(labels, atlas, checkpoint=packed)
    np.testing.assert_allclose(after.images, before.images, atol=1 / 255)
    np.testing.assert_allclose(after.confidence, before.confidence, atol=1e-2)
    assert after.sequences == before.sequences
    assert packed.step == model.step
    assert packed.method_state["lambda_cm"] == pytest.approx(
        model.method_state["lambda_cm"]
    )


def test_it_holds_the_generator_alone_in_half_precision(model, package):
    stored = safetensors.numpy.load_file(package / WEIGHTS)
    parts = {name.split("/")[1] for name in stored}
    assert parts == {"generator"}
    kinds = {name.split("/")[0]: value.dtype for name, value in stored.items()}
    assert kinds == {"params": np.float16, "batch_stats": np.float32}


def test_it_says_what_it_came_from(package, dataset, trained):
    header = read_header(package / WEIGHTS)
    assert header["scores"] == SCORES and header["simulated"] is True
    assert header["provenance"]["dataset_hash"] == dataset.content_hash
    assert header["provenance"]["versions"]["samr_jax"] == samr_jax.__version__
    for path in (trained, dataset.directory):
        assert str(path) not in json.dumps(header)
    files = {path.name for path in package.rglob("*") if path.is_file()}
    atlas = {f"{name}.nii.gz" for name in (*dataset.sequences, "brain")}
    atlas |= {f"{name}.nii.gz" for name in TISSUES if dataset.has_tissue}
    assert files == atlas | {WEIGHTS, MASK, "scores.md", "dataset.json", LESION_RANGES}
    assert load_package(package).dataset.lesion_ranges == dataset.lesion_ranges
    assert (package / "scores.md").read_text() == TABLE
    modes = {path.stat().st_mode for path in package.iterdir() if path.is_file()}
    assert len(modes) == 1  # whoever may read one may read all


def test_its_mask_is_of_a_test_subject(package, dataset):
    volume = np.transpose(read_labels(package / MASK).data, (2, 1, 0))
    own = [s["labels"] for s in dataset.split("test")]
    assert any(np.array_equal(volume[0], labels) for labels in own)


def test_nothing_is_overwritten(model, package, dataset):
    with pytest.raises(InputError, match="exists already, expected a new directory"):
        pack(model, dataset, package, scores=SCORES, table=TABLE)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def foreign(path):
    safetensors.numpy.save_file({"a": np.zeros(3)}, path)


def of_other_data(path):
    with safetensors.safe_open(path, framework="np") as file:
        header = file.metadata()
    origin = json.loads(header["provenance"]) | {"dataset_hash": "0" * 64}
    tensors = safetensors.numpy.load_file(path)
    header["provenance"] = json.dumps(origin)
    safetensors.numpy.save_file(tensors, path, header)


def without_weights(path):
    with safetensors.safe_open(path, framework="np") as file:
        header = file.metadata()
    safetensors.numpy.save_file({}, path, header | {"method_state": "[]"})


def with_one_other_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage, message",
    [
        (with_one_other_bit, r"damaged \(other weights than were written\)"),
        (truncated, "not readable as safetensors"),
        (foreign, "no 'samr_jax weights 2' in its header"),
        (of_other_data, "trained on data 000000000000, expected"),
        (without_weights, "damaged"),
        (lambda path: path.unlink(), "not readable as safetensors"),
    ],
)
def test_damaged_weights(package, tmp_path, damage, message):
    copy = shutil.copytree(package, tmp_path / "package")
    damage(copy / WEIGHTS)
    with pytest.raises(InputError, match=message) as caught:
        load_package(copy)
    assert WEIGHTS in str(caught.value) and "\n" not in str(caught.value)


def test_weights_that_do_not_fit_the_networks_are_told(model, dataset):
    kernel = {"params": {"generator": {}}, "batch_stats": {}}
    broken = dataclasses.replace(model, variables=kernel)
    labels, atlas = dataset.split("test")[0]["labels"], stack_neighbours(dataset.atlas)
    with pytest.raises(InputError, match="the weights do not fit the networks"):
        samr_jax.synthesize(labels, atlas[0], checkpoint=broken)


def test_weights_beyond_half_precision_are_refused(model, dataset, tmp_path):
    huge = jax.tree.map(lambda x: x * 1e9, model.variables)
    loud = dataclasses.replace(model, variables=huge)
    with pytest.raises(InputError, match="not finite in half precision"):
        pack(loud, dataset, tmp_path / "package", scores={}, table=TABLE)
