"""Places for outputs are checked before the work, by an attempt to write."""

import pytest

from samr_jax.data.nifti import check_new_volume
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import (
    check_new_directory,
    check_new_file,
    check_writable,
    locked,
    new_directory,
    reading,
    write_text,
)

pytestmark = pytest.mark.quick

CHECKS = [check_new_directory, check_new_file, check_writable]


def refused(check, path, words):
    with pytest.raises(InputError, match=words) as caught:
        check(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("check", CHECKS)
def test_places_that_cannot_be_written(check, tmp_path):
    (tmp_path / "file").write_text("")
    refused(check, tmp_path / "file" / "below", "cannot be written")
    refused(check, tmp_path / ("x" * 300), "cannot be written")
    refused(check, "/proc/samr_jax/new", "cannot be written")
    refused(check, "/".join(["x"] * 500), "500 folders within each other, expected")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_made_by_the_check(check, tmp_path):
    check(tmp_path / "some" / "where" / "new")
    assert not list(tmp_path.iterdir())


def test_thousands_of_folders_are_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    deep = "x/" * 500 + "new"

    refused(lambda path: write_text(path, ""), deep, "501 folders within each other")
    with pytest.raises(InputError, match="500 folders within each other"):
        locked(deep, wait=True).__enter__()
    assert not list(tmp_path.iterdir())


def test_a_directory_is_not_called_like_a_volume(tmp_path):
    words = "name of a file, expected that of a new directory"
    refused(check_new_directory, tmp_path / "out.nii.gz", words)
    refused(check_new_directory, tmp_path / "out.nii", words)


def test_only_new_places(tmp_path):
    (tmp_path / "empty").mkdir()
    assert check_new_directory(tmp_path / "empty") == tmp_path / "empty"
    (tmp_path / "file").write_text("")
    assert check_writable(tmp_path / "file") == tmp_path / "file"
    refused(check_new_file, tmp_path / "empty", "exists already, expected a new file")
    refused(check_new_directory, tmp_path, "exists already, expected a new directory")


def test_a_volume_has_its_own_ending(tmp_path):
    refused(check_new_volume, tmp_path / "mask.png", "ending in .nii or .nii.gz")
    check_new_volume(tmp_path / "mask.nii")


def test_of_two_writers_of_one_directory_the_slower_one_is_told(tmp_path):
    words = "exists already, expected a new directory"
    with (
        pytest.raises(InputError, match=words),
        new_directory(tmp_path / "out") as slow,
    ):
        (slow / "of").write_text("the slower one")
        with new_directory(tmp_path / "out") as fast:
            (fast / "of").write_text("the faster one")
    assert (tmp_path / "out" / "of").read_text() == "the faster one"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("path", ["/", "."])
def test_a_new_file_needs_a_name(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for check in (check_new_directory, check_writable):
        with pytest.raises(InputError):
            check(path)


@pytest.mark.parametrize(
    "error", [KeyError("step"), ZeroDivisionError(), TypeError(), IndexError()]
)
def test_damaged_records_are_told_by_their_file(error):
    words = "run.json: field missing or damaged"
    with pytest.raises(InputError, match=words), reading("run.json"):
        raise error
    with pytest.raises(InputError, match="mine"), reading("run.json"):
        raise InputError("mine")
