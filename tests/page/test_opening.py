"""How the command starts: what it needs, and what it refuses."""

import re
import sys

import pytest

from samr_jax.page.opening import EXAMPLE, load_studio
from samr_jax.page.site import STATIC
from samr_jax.runtime.errors import InputError
from tests.commands import launch

OPTIONS = {
    "checkpoint": "latest",
    "mask": None,
    "labels": "samr",
    "donors": [],
    "anatomy": "seed:0",
}


def test_without_the_server_the_command_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "waitress", None)
    message = "waitress is not installed, expected it for the page: pip install"
    assert message in launch("page").error


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--checkpoint=best"], "--checkpoint=best: of no run, expected --workdir"),
        (["--port=70000"], "--port=70000"),
        (["--workdir=nothing"], "nothing"),
        (["--mask=nothing.nii.gz"], "nothing.nii.gz: no such file"),
        (["--anatomy=scan.nii.gz"], "--anatomy=scan.nii.gz: not on the page"),
    ],
)
def test_wrong_flags_are_one_line(flags, message):
    assert message in launch("page", "--no_browser", *flags).error


def test_a_run_in_another_space_needs_a_mask(trained):
    with pytest.raises(InputError, match="--mask missing: the packaged example does"):
        load_studio(workdir=str(trained), **OPTIONS)


def test_the_files_of_the_page_name_no_other_address():
    for path in STATIC.iterdir():
        text = path.read_text()
        assert not re.search(r"https?:|//[\w-]+\.\w|@import|url\(", text), path.name
        assert not re.search(r"\sstyle=|\son\w+=|<script>", text), path.name
    assert EXAMPLE.endswith(".nii.gz")
