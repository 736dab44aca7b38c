"""Errors for users are one line, whatever they quote."""

import pickle

import pytest

from samr_jax.runtime import launching
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick


def test_a_plain_message_stays_as_it_is():
    assert str(InputError("mask.nii.gz: no such file")) == "mask.nii.gz: no such file"
    assert isinstance(InputError(), ValueError)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028", "\x0b"])
def test_quoted_lines_are_joined(end):
    assert str(InputError(f"dx=a{end}b, expected c")) == "dx=a b, expected c"


def test_a_long_quotation_keeps_the_file_and_what_was_expected():
    line = str(InputError(f"table.tsv: {'9' * 10**6}, expected a number"))
    assert len(line) < 1300
    assert line.startswith("table.tsv: 999") and line.endswith("9, expected a number")


def test_it_crosses_processes():
    error = InputError("a\nb" * 1000)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    "error, words",
    [
        (OSError(36, "File name too long", "x" * 300), "xxx: File name too long"),
        (OSError(5, "Input/output error"), "system: Input/output error"),
        (MemoryError("Unable to allocate 9 TiB"), "not enough memory (Unable to all"),
        (MemoryError(), "not enough memory (for an array)"),
        (
            RuntimeError("RESOURCE_EXHAUSTED: Out of memory\n..."),
            "Out of memory); a sm",
        ),
        (InputError("a\nb"), "error: a b"),
    ],
)
def test_commands_print_one_line(error, words, monkeypatch, capsys):
    def main():
        raise error

    monkeypatch.setattr(launching, "prepare_process", lambda: None)
    with pytest.raises(SystemExit) as ended:
        launching.run(main)
    told = capsys.readouterr().err
    assert ended.value.code == 1 and told.startswith("error: ")
    assert told.count("\n") == 1 and words in told
    assert isinstance(error, OSError) == ("SAMR_JAX_TRACEBACK=1 prints where" in told)


@pytest.mark.parametrize("error", [OSError(5, "No"), InputError("No")])
def test_the_traceback_of_one_line_can_be_seen(error, monkeypatch, capsys):
    def main():
        raise error

    monkeypatch.setattr(launching, "prepare_process", lambda: None)
    monkeypatch.setenv("SAMR_JAX_TRACEBACK", "1")
    with pytest.raises(SystemExit):
        launching.run(main)
    told = capsys.readouterr().err
    assert told.startswith("Traceback") and "in main" in told
    assert told.splitlines()[-1].startswith("error: ")


def test_a_mistake_of_the_package_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(launching, "prepare_process", lambda: None)
    with pytest.raises(KeyError):
        launching.run(lambda: {}["nothing"])
