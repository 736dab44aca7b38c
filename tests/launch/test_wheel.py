"""The wheel, installed into an environment and used in a folder of their own."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nibabel as nib
import pytest

from samr_jax.commands import COMMANDS

pytestmark = pytest.mark.slow

SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "samr_jax")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with an environment that has the wheel and the libraries of ours."""
    root = tmp_path_factory.mktemp("wheel")
    source = root / "source"
    source.mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        if Path(name).is_dir():
            shutil.copytree(name, source / name, ignore=ignore)
        else:
            shutil.copy(name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-index"]
    run([*pip, "wheel", *alone, "--no-build-isolation", "-w", root, source])
    shutil.rmtree(source)
    (wheel,) = root.glob("*.whl")
    environment = root / "environment"
    run([sys.executable, "-m", "venv", "--without-pip", environment])
    python = environment / "bin" / "python"
    run([*pip, "--python", python, "install", *alone, wheel])
    (packages,) = environment.glob("lib/python3*/site-packages")
    # Only the folder is added: its own .pth files, such as those of a package in
    # development, are not read.
    ours = sysconfig.get_paths()["purelib"]
    (packages / "libraries.pth").write_text(f"{ours}\n")
    return root


def run(command, **options):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def samr_jax(installed, cache):
    """Calls the program in a folder that has no sources."""
    environment = {"PATH": "/usr/bin:/bin", "SAMR_JAX_CACHE": str(cache)}

    def call(*arguments, program="samr-jax"):
        path = installed / "environment" / "bin" / program
        return run([path, *arguments], cwd=installed, env=environment)

    return call


def test_the_package_is_that_of_the_wheel(installed, samr_jax):
    code = "import samr_jax; print(samr_jax.__file__)"
    place = samr_jax("-c", code, program="python").strip()
    assert Path(place).is_relative_to(installed / "environment")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(samr_jax, command):
    assert f"    samr-jax {command} --" in samr_jax(command, "--help")


def test_the_page_has_its_files(installed):
    (package,) = (installed / "environment").glob("lib/*/site-packages/samr_jax")
    shipped = {path.name for path in (package / "page" / "static").iterdir()}
    ours = {path.name for path in Path("samr_jax/page/static").iterdir()}
    assert shipped == ours and {"index.html", "main.js", "style.css"} <= ours


def test_version(samr_jax):
    assert samr_jax("--version").startswith("samr_jax 0.")


def test_synthesis_with_the_packaged_weights(installed, samr_jax):
    (package,) = (installed / "environment").glob("lib/*/site-packages/samr_jax")
    mask = package / "pretrained" / "anatomy" / "mask.nii.gz"
    samr_jax("synthesize", f"--mask={mask}", "--output=out")
    image = nib.load(installed / "out" / "FLAIR.nii.gz")
    assert image.shape == nib.load(mask).shape
    assert image.get_fdata().max() > 0


def test_training_finds_a_packaged_config(samr_jax):
    """Whether the config is right is tested elsewhere."""
    code = (
        "from samr_jax.commands.frame.config_flag import read_config\n"
        "print(read_config('unpaired:demo').method)"
    )
    assert samr_jax("-c", code, program="python") == "ucg_samr\n"
