"""A suite of benchmarks resumes, survives failures, and keeps to its time."""

import importlib
import json
import sys

import pytest

from samr_jax.benchmark.compare import comparison, suite_comparison
from samr_jax.benchmark.suite import (
    CPU,
    GPU,
    OURS,
    Case,
    run_command,
    run_suite,
    suite_table,
)
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick

CASES = (
    Case("paired", 8, "count"),
    Case("paired", 8, "bfloat16"),
    Case("paired", 32, "float32"),
)
OPTIONS = {"size": 64, "steps": 2, "seconds": 500.0}


class Machine:
    """Answers commands as `run_command` does, and notes them."""

    def __init__(self, broken=()):
        self.seen, self.broken = [], broken

    def __call__(self, command, seconds):
        name = "peer" if command[0] == "peer" else "ours"
        flags = dict(
            flag.split("=") for flag in command if "=" in flag and "--" in flag
        )
        self.seen.append((name, *command[1 if name == "peer" else len(OURS) :]))
        batch = int(flags["--batch"])
        if batch in self.broken:
            return {"error": "out of memory"}
        if "--count" in command:
            return {"size": 64, "batch": batch, "train_gflop": 100.0 * batch}
        return {
            "size": 64,
            "batch": batch,
            "train_step_s": 0.5 if name == "ours" else 1.0,
            "synthesis_s": 0.1 if name == "ours" else 0.5,
            "train_compile_s": {"cold": 60.0},
            "peak_gib": 3.0,
            "machine": {"matrix_gflops": 6400.0},
        }


def test_what_is_measured_is_not_measured_again(tmp_path):
    output, machine = tmp_path / "gpu.json", Machine(broken=[32])
    found = run_suite(CASES, output, run=machine, **OPTIONS)
    assert found["paired-32-float32"] == {"error": "out of memory"}
    assert json.loads(output.read_text()) == found
    assert len(machine.seen) == 3
    again = Machine()
    found = run_suite(CASES, output, run=again, **OPTIONS)
    flags = ("--config=paired", "--size=64", "--batch=32", "--steps=2")
    assert again.seen == [("ours", *flags, "--dtype=float32")]
    assert all("error" not in result for result in found.values())


def test_a_peer_is_measured_beside_each_paired_case(tmp_path):
    machine = Machine()
    found = run_suite(CASES, tmp_path / "gpu.json", run=machine, peer="peer", **OPTIONS)
    peers = [seen for seen in machine.seen if seen[0] == "peer"]
    assert [seen[-2:] == ("--amp", "--compile") for seen in peers] == [True, False]
    # 100 GFLOP a slice, 8 slices in half a second, of 6400 GFLOP/s.
    (row,) = [line for line in suite_table(found).splitlines() if "bfloat16" in line]
    assert row == "| paired-8-bfloat16 | 0.5 | 0.1 | 60 | 3 | 25% | 0.50 | 0.20 |"


def test_without_time_nothing_is_started(tmp_path):
    machine, lines = Machine(), []
    options = OPTIONS | {"seconds": 1.0}
    run_suite(CASES, tmp_path / "a.json", run=machine, log=lines.append, **options)
    assert not machine.seen and len(lines) == 3


def test_a_file_of_another_size_is_refused(tmp_path):
    run_suite(CASES, tmp_path / "a.json", run=Machine(), **OPTIONS)
    with pytest.raises(InputError, match="measured at size 64, expected 32 or another"):
        run_suite(CASES, tmp_path / "a.json", run=Machine(), **OPTIONS | {"size": 32})


@pytest.mark.parametrize(
    "damage, found",
    [
        ([], "the content is an empty list, expected an object with fields"),
        ({"x": 3}, "x is 3, expected an object with fields"),
        ({"x": {"train_step_s": "1"}}, "x.train_step_s is '1', expected a number"),
        ({"x": {"train_step_s": 1.0, "batch": 8}}, "x.synthesis_s is missing"),
        ({"x": {"train_gflop": 1.0}}, "x.batch is missing"),
    ],
)
def test_a_damaged_file_is_refused(damage, found, tmp_path):
    machine = Machine()
    (tmp_path / "a.json").write_text(json.dumps(damage))
    with pytest.raises(InputError, match=rf"a\.json: {found}"):
        run_suite(CASES, tmp_path / "a.json", run=machine, **OPTIONS)
    assert not machine.seen


@pytest.mark.parametrize(
    "code, error",
    [
        ("import sys; sys.exit('no GPU')", "exit 1: no GPU"),
        ("print('no JSON')", "exit 0: no output"),
        ("import time; time.sleep(60)", "not done in 1 s"),
    ],
)
def test_a_command_that_fails_says_why(code, error):
    assert run_command([OURS[0], "-c", code], 1.0 if "sleep" in code else 60.0) == {
        "error": error
    }


def test_the_suite_for_gpus_has_what_is_still_open():
    names = {case.name for case in GPU}
    for batch in (8, 32):
        assert {f"paired-{batch}-float32", f"paired-{batch}-bfloat16"} <= names
    assert "unpaired-8-float32" in names and len(names) == len(GPU)


def test_a_case_may_have_a_size_of_its_own(tmp_path):
    case = Case("paired", 4, "float32", size=128)
    machine = Machine()
    run_suite([case], tmp_path / "a.json", run=machine, peer="peer", **OPTIONS)
    assert case.name == "paired-128-4-float32"
    for _, *flags in machine.seen:
        assert {"--size=128", "--batch=4"} <= set(flags)
    write = (tmp_path / "a.json").write_text
    write(json.dumps({case.name: {"size": 64, "error": "cut"}}))
    with pytest.raises(InputError, match="at size 64, expected 128 or another"):
        run_suite([case], tmp_path / "a.json", run=Machine(), **OPTIONS)


@pytest.mark.parametrize("case", (*GPU, *CPU), ids=lambda case: case.name)
def test_every_case_is_a_valid_command(case):
    name = "samr_jax.commands.benchmark"
    sys.modules.pop(name, None)  # A module of a command holds the values of its flags.
    command = importlib.import_module(name)
    command.FLAGS.parse("benchmark", case.flags(size=32, steps=1))
    sys.modules.pop(name)


def test_a_toy_suite_on_this_machine(tmp_path):
    """One real process, which counts the work of a small network."""
    cases = [Case("pix2pix:demo", 1, "count")]
    found = run_suite(cases, tmp_path / "toy.json", size=32, steps=1, seconds=300.0)
    (counted,) = found.values()
    assert counted["method"] == "Pix2Pix" and counted["train_gflop"] > 0, counted


def result(**changes):
    settings = {"method": "CG-SAMR", "size": 64, "batch": 8, "device": "cpu"}
    return settings | {"train_step_s": 2.0, "train_compile_s": {"cold": 60.0}} | changes


def test_a_benchmark_is_compared_with_an_earlier_one():
    rows = comparison(result(), result(train_step_s=1.5, device="gpu")).splitlines()
    assert "| device | cpu | gpu | |" in rows
    assert "| training step, s | 2 | 1.5 | 0.75 |" in rows
    assert "| compilation of the step, s | 60 | 60 | 1.00 |" in rows
    with pytest.raises(InputError, match="size is 64 in the earlier benchmark and 32"):
        comparison(result(), result(size=32))
    with pytest.raises(
        InputError, match="train_step_s in the earlier benchmark is '2'"
    ):
        comparison(result(train_step_s="2"), result())


def test_a_suite_is_compared_where_both_have_been_measured():
    earlier = {"a": result(), "b": {"error": "cut"}, "peer: a": {"train_step_s": 4.0}}
    now = {"a": result(train_step_s=1.0), "b": result(), "c": {"train_gflop": 1.0}}
    text = suite_comparison(earlier, now)
    assert text.startswith("a\n") and "| training step, s | 2 | 1 | 0.50 |" in text
    assert "b\n" not in text and "c\n" not in text
