"""Broken input: a small part of ``python -m tests.fuzz``, and cases made by hand."""

import gzip
import json
import os
import pickle
import resource
import shutil
import sys
import time
import zipfile

import nibabel as nib
import numpy as np
import pytest

from samr_jax.data.dataset import open_dataset
from samr_jax.data.lesion_ranges import LesionRanges
from samr_jax.data.nifti import MAX_BYTES, read_geometry, read_volume, write_volume
from samr_jax.data.slices import RECORDS
from samr_jax.data.staging import Staged
from samr_jax.prepare.cohort.cache import find_stored
from samr_jax.prepare.find.manifest import find_manifest
from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runs.workdir import keep_description
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import check_name
from tests.fuzz import corpus
from tests.fuzz.corpus import known
from tests.fuzz.guard import Mutant, kinds, run
from tests.fuzz.targets import TARGETS

FEW = 25
"""Mutants of each target; the command of the package tries thousands."""


@pytest.mark.parametrize("name", TARGETS)
def test_mutants_are_refused_or_valid(name, tmp_path):
    before = known(name)
    report = run(TARGETS[name], tmp_path, count=FEW, seed=1, known=before)
    assert not report.failures, "\n".join(kinds(report))
    assert report.count == FEW + len(before) and report.refused > 0


class Frail:
    """A target that fails, dies and hangs as its mutants say."""

    def __init__(self, folder):
        self._path = folder / "input" / "file"
        self._path.write_text("good")

    def mutant(self, rng):
        return Mutant("file", rng.choice(["raise", "die", "hang"]).encode())

    def read(self):
        word = self._path.read_text()
        if word == "raise":
            raise KeyError("step")
        if word == "die":
            os.abort()
        if word == "hang":
            time.sleep(60)


def test_mutants_that_go_wrong_are_noticed_and_can_be_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "FOLDER", tmp_path / "corpus")
    words = ["good", "raise", "die", "good", "hang", "good"]
    mutants = [Mutant("file", word.encode()) for word in words]
    folder = tmp_path / "run"
    folder.mkdir()
    report = run(Frail, folder, count=0, seed=0, seconds=2, known=mutants)
    assert report.accepted == 3 and sorted(report.failures) == [1, 2, 4]
    assert report.mutants == {n: mutants[n] for n in (1, 2, 4)}
    assert "KeyError: \"'step'\"" in report.failures[1]
    assert "died: exit code -6" in report.failures[2]
    assert "more than 2 s" in report.failures[4]
    for number, mutant in report.mutants.items():
        corpus.keep("frail", mutant, report.failures[number])
    corpus.keep("frail", Mutant("bytes", b"\xff"), "")
    found = corpus.known("frail")
    assert sorted(found) == sorted([*report.mutants.values(), ("bytes", b"\xff")])


def refused(call, *arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)


def nifti_header(shape, dtype=np.float32, **fields):
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    header.set_sform(np.eye(4), code=1)
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock


class TestBombs:
    """Files that promise or unfold to more than a scan can have."""

    @pytest.mark.parametrize("name", ["bomb.nii", "bomb.nii.gz"])
    def test_dimensions(self, tmp_path, name):
        content = nifti_header((32767,) * 3) + bytes(4)
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        refused(read_volume, path, words="the header promises")
        refused(read_geometry, path, words="the header promises")

    def test_a_promise_that_the_file_cannot_hold(self, tmp_path):
        path = tmp_path / "lie.nii.gz"
        path.write_bytes(gzip.compress(nifti_header((500, 500, 500)) + bytes(4)))
        refused(read_volume, path, words="which the file cannot hold")

    @pytest.mark.parametrize(
        "fields, words",
        [
            ({"vox_offset": 2.0**33}, "voxels that begin at byte"),
            ({"vox_offset": float("nan")}, "unreadable"),
            ({}, "goes on for more than"),
        ],
    )
    def test_gzip_that_unfolds_for_ever(self, tmp_path, fields, words):
        path = tmp_path / "bomb.nii.gz"
        with gzip.open(path, "wb", 1) as file:
            file.write(nifti_header((8, 8, 8), **fields) + bytes(4))
            for _ in range(40):
                file.write(bytes(2**20))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        refused(read_volume, path, words=words)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert after - before < 64 * 1024  # KiB

    def test_extensions_of_any_size_are_not_read(self, tmp_path):
        path = tmp_path / "extended.nii.gz"
        claim = np.array([-16, 6], np.int32).tobytes()  # all that there is
        with gzip.open(path, "wb", 1) as file:
            file.write(nifti_header((4, 4, 4), vox_offset=2**20) + b"\1\0\0\0" + claim)
            file.write(bytes(2**20 - 360) + np.ones(64, np.float32).tobytes())
        assert read_volume(path).data.all()

    def test_the_largest_scan_that_is_read_fits(self):
        assert MAX_BYTES * 2 <= 2**30  # as float32 and while it is scaled


class TestNames:
    """Names that lead elsewhere."""

    @pytest.mark.parametrize(
        "name",
        [
            "../x",
            "/x",
            "a/b",
            "a\\b",
            "..",
            ".x",
            "",
            "a\nb",
            "a\0",
            "'><b>",
            "x" * 101,
        ],
    )
    def test_refused(self, name, tmp_path):
        refused(lambda: check_name(name, source="s"), words="s: name")
        manifest = tmp_path / "manifest.csv"
        if name and "\n" not in name:
            manifest.write_text(f'subject,labels\n"{name}",seg.nii.gz\n')
            refused(find_manifest, manifest, words="line 2: name")

    @pytest.mark.parametrize(
        "name", ["BraTS-GLI_00005-000", "Gd-T1w", "Müller 3", "T1"]
    )
    def test_allowed(self, name):
        assert check_name(name, source="s") == name

    @pytest.mark.parametrize(
        "change, words",
        [
            ({"sequences": ["../../T1w", "APTw"]}, "sequences: name '../../T1w'"),
            ({"split": {"train": ["../x"], "val": [], "test": []}}, "train: name"),
            ({"split": {"train": ["a"], "val": [], "test": ["a"]}}, "occurs twice"),
            ({"size": [2**40, 32]}, "rows, columns or slices"),
            ({"slices": -1}, "rows, columns or slices"),
            ({"affine": [[float("nan")] * 4] * 4}, "affine"),
        ],
    )
    def test_in_a_dataset(self, dataset, tmp_path, change, words):
        copy = shutil.copytree(dataset.directory, tmp_path / "copy")
        path = copy / "dataset.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        refused(open_dataset, copy, words=words)

    def test_a_run_keeps_no_more_of_a_dataset_than_it_needs(self, dataset, tmp_path):
        copy = shutil.copytree(dataset.directory, tmp_path / "copy")
        (tmp_path / "secret").write_text("secret")
        (copy / "atlas" / "notes").symlink_to(tmp_path / "secret")
        keep_description(open_dataset(copy), tmp_path / "kept")
        assert (tmp_path / "kept" / "dataset.json").exists()
        assert not (tmp_path / "kept" / "atlas" / "notes").exists()

    def test_a_link_in_the_place_of_an_output_is_replaced_not_followed(self, tmp_path):
        target = tmp_path / "precious.nii.gz"
        target.write_text("precious")
        link = tmp_path / "out.nii.gz"
        link.symlink_to(target)
        write_volume(link, np.ones((2, 2, 2)), np.eye(4))
        assert target.read_text() == "precious" and not link.is_symlink()


class Trap:
    """Unpickling it would be noticed."""

    def __reduce__(self):
        return (exec, ("import sys; sys.modules['trapped'] = sys",))


@pytest.fixture
def trap():
    yield pickle.dumps(Trap())
    assert "trapped" not in sys.modules


class TestCodeInData:
    """Data that would like to be executed."""

    def test_pickles_in_npz(self, trap, tmp_path):
        path = tmp_path / "subject.npz"
        np.savez(path, labels=np.array([Trap()], dtype=object), record=np.array("{}"))
        staged = Staged("a", "a", path, {}, False, LesionRanges({}, {}))
        with pytest.raises(ValueError, match="allow_pickle=False"):
            staged.arrays()
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("record", "profile"):
                archive.writestr(name, trap)
        assert find_stored("a", "a", path) is None

    def test_pickles_in_place_of_a_checkpoints_files(self, trap, tmp_path):
        checkpoints = Checkpoints(tmp_path)
        state = {"step": np.int32(1)}
        checkpoints.save(1, state, meta={}, score=0.5)
        checkpoints.close()
        for path in [p for p in (tmp_path / "1").rglob("*") if p.is_file()]:
            path.write_bytes(trap)
        checkpoints = Checkpoints(tmp_path)
        assert checkpoints.restore_latest(state) is None
        checkpoints.close()

    def test_a_class_that_features_json_names_is_not_imported(self, dataset, tmp_path):
        (tmp_path / "trapped.py").write_text("raise SystemExit('imported')")
        copy = shutil.copytree(dataset.directory, tmp_path / "copy")
        features = copy / RECORDS / "features.json"
        content = json.loads(features.read_text())
        content["pythonClassName"] = "trapped.Feature"
        features.write_text(json.dumps(content))
        sys.path.insert(0, str(tmp_path))
        try:
            slices = open_dataset(copy).split("train")
        finally:
            sys.path.remove(str(tmp_path))
        assert len(slices) and slices[0]["labels"].shape == dataset.grid.size
        assert "trapped" not in sys.modules
