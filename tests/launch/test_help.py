"""The pages of --help, and the errors in the flags of a command."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from samr_jax import __version__
from samr_jax.commands import COMMANDS
from samr_jax.commands.frame.config_flag import read_config
from samr_jax.commands.frame.help_page import help_page, split_text
from samr_jax.config import config_names
from samr_jax.data.dataset import open_dataset
from samr_jax.data.further_slices import widened
from samr_jax.pretrained.load import PACKAGE
from samr_jax.runtime.errors import InputError
from tests.commands import launch

pytestmark = pytest.mark.quick

SCRIPTS = {"train": "main"}
"""Scripts in ``launch/`` that are not named as their command."""


def samr_jax(*arguments):
    code = "from samr_jax.commands import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(params=COMMANDS)
def command(request):
    return request.param


@pytest.fixture
def module(command):
    return importlib.import_module(f"samr_jax.commands.{command}")


def test_every_script_starts_its_command(command):
    script = Path("launch", f"{SCRIPTS.get(command, command)}.py")
    done = launch(script.stem, "--help")
    page = done.stdout.splitlines()
    assert done.returncode == 0
    assert page[0] == ast.get_docstring(ast.parse(script.read_text()))
    assert page[2].split("--")[0].strip().endswith(str(script))


def test_there_is_no_script_without_a_command():
    scripts = {path.stem for path in Path("launch").glob("*.py")}
    assert scripts == {SCRIPTS.get(name, name) for name in COMMANDS}


def test_a_page_has_a_sentence_examples_and_all_flags(command, module):
    summary, examples, _ = split_text(module.__doc__)
    assert summary.endswith(".") and "\n" not in summary
    page = help_page(module.__doc__, module.FLAGS, program="samr-jax x", name=command)
    values = module.FLAGS.values
    shown = {name for group in module.FLAGS.groups for name in group.entries}
    assert shown == set(values)
    for name in shown:
        assert re.search(rf"^  --{name}\b", page, re.M)
    used = re.findall(r"--(\w+)", examples)
    assert set(used) <= shown and used, examples
    required = {
        name
        for group in module.FLAGS.groups
        for name, entry in group.entries.items()
        if entry.required
    }
    for example in re.split(r"^ {4}samr-jax ", examples, flags=re.M)[1:]:
        given = set(re.findall(r"--(\w+)", example))
        assert example.startswith(f"{command} ") and required <= given


def test_a_page_names_defaults():
    page = samr_jax("prepare", "--help").stdout
    assert re.search(r"--size=N +Rows and columns of a slice\. \[256\]", page)
    assert re.search(r"--split=X,X,X .*\n +\[0\.72,0\.10,0\.18\]", page)
    assert re.search(r"--output=DIR .* \(required\)", page)


def test_the_overview_names_every_command_and_comes_without_jax():
    code = (
        "import sys\n"
        "from samr_jax.commands.frame import run\n"
        "print(run.overview())\n"
        "for name in run.COMMANDS: run.run(name, ['--help'], program='x')\n"
        "heavy = {'jax', 'flax', 'numpy', 'scipy', 'nibabel'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z]", done.stdout, re.M)


def test_the_program_without_a_command():
    assert samr_jax("--version").stdout == f"samr_jax {__version__}\n"
    assert samr_jax().stdout == samr_jax("--help").stdout
    unknown = samr_jax("synthesise")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("error: 'synthesise' is no command, expected one")


@pytest.mark.parametrize(
    "script, flags, message",
    [
        ("main", [], "--config missing"),
        ("main", ["--config.seed=1"], "--config missing"),
        ("edit", ["--edit=mirror"], "--mask and --output missing"),
        ("main", ["--config=pared"], "--config=pared: no such config, expected"),
        ("main", ["--config=paired:big"], "variant 'big', expected one of paper"),
        ("main", ["--config=configs/nothing.py"], "no such file, expected a config"),
        ("main", ["--config=paired", "--config.nope=1"], "has no field nope"),
        ("main", ["--config=paired", "--config.epochs.x=1"], "no field epochs.x"),
        ("main", ["--config=paired", "--wrkdir=x"], "Did you mean: workdir"),
        ("export", ["--data_dir=x", "--output=y", "--layout=z"], "--layout=z: value"),
        ("figures", ["--figure=6", "--workdirs=x", "y"], "unexpected argument 'y'"),
        ("figures", ["--figure=6", "--workdirs=x", "--output=/"], "no name of its own"),
        ("figures", ["--figure=6", "--workdirs=x", "--output=a.nii"], "ends in .png"),
        (
            "figures",
            ["--figure=low-data", "--workdirs=x", "--slices=2"],
            "--slices has no effect on --figure=low-data",
        ),
        ("evaluate", [f"--workdir={'x' * 300}"], "config.json: File name too long"),
    ],
)
def test_wrong_flags_are_one_line(script, flags, message):
    assert message in launch(script, *flags).error


def test_a_config_file_that_fails_is_one_line(tmp_path):
    file = tmp_path / "config.py"
    file.write_text("def get_config():\n    return {}['size']\n")
    error = launch("main", f"--config={file}").error
    assert f"--config={file}: the file fails (KeyError: 'size')" in error


def test_names_of_configs_are_the_files():
    files = {path.stem: path for path in Path("configs").glob("*.py")}
    assert sorted(files) == config_names()
    for name, path in files.items():
        assert read_config(name) == read_config(str(path))
        assert read_config(f"{name}:demo") == read_config(f"{path}:demo")
    with pytest.raises(InputError, match="no such config"):
        read_config("")


def test_pages_say_where_the_slices_of_the_packaged_weights_lie():
    """Where the training's slices lie, and where the slices lie that have an atlas."""
    grid = open_dataset(PACKAGE / "dataset").grid
    trained, all_slices = (
        "z = {:g} to {:g} mm".format(*np.round(one.span, 1))
        for one in (grid, widened(grid))
    )
    synthesize, edit = (
        " ".join(launch(name, "--help").stdout.split())
        for name in ("synthesize", "edit")
    )
    page = " ".join(Path("docs/first_steps.md").read_text().split())
    assert trained in synthesize and trained in page
    assert all(all_slices in text for text in (synthesize, edit, page))
