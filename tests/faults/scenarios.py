"""The faults. Each function does one to a run and checks what becomes of it.

Args of all: `bench` to run on, and `rng` to choose by. They return how many faults they
did, and raise `Failure` at the first one that was not survived.
"""

from __future__ import annotations

import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from samr_jax.data.dataset import open_dataset
from samr_jax.data.nifti import write_volume
from tests.commands import start
from tests.faults.bench import (
    Bench,
    Failure,
    check_one_line,
    final_state,
    newest,
)
from tests.faults.child import PHASES, Moment
from tests.faults.disks import filled, read_only, small_disk
from tests.tiny import GRID

LONGEST = {"start": 2.0, "step": 0.1, "save": 0.4, "validation": 0.3, "report": 0.3}
"""Seconds that a phase takes at the least, to choose a moment in."""


def random_moment(rng, phase: str, number: int = signal.SIGKILL) -> Moment:
    """Somewhere in one of the first entries into a phase.

    Three runs of one work directory, each of them killed in another phase, take at most
    10 of their 12 steps, so that every one of them is killed before its end.
    """
    entry = int(rng.integers(1, 3)) if phase in ("step", "save") else 1
    return Moment(phase, entry, float(rng.uniform(0, LONGEST[phase])), number)


def kill(bench: Bench, rng, phases=PHASES[:4]) -> None:
    """Killed in each of some phases, one after the other, in one work directory."""
    workdir = bench.new_path("kill")
    for phase in rng.permutation(phases):
        ended = bench.run(workdir, moment=random_moment(rng, str(phase)))
        if ended.code != -signal.SIGKILL:
            raise Failure(f"not killed in {phase}: exit {ended.code}: {ended.tail}")
    bench.finish(workdir)
    bench.check_like_undisturbed(workdir)


def kill_report(bench: Bench, rng) -> None:
    """Killed while the final evaluation is written."""
    kill(bench, rng, phases=("report",))


def sigterm(bench: Bench, rng, number: int = signal.SIGTERM) -> None:
    """Asked to stop: saves the step that it is at, and leaves."""
    workdir = bench.new_path(signal.Signals(number).name.lower())
    phase = str(rng.choice(["step", "save", "validation"]))
    ended = bench.run(workdir, moment=random_moment(rng, phase, number))
    if ended.code != 0 or "asked to stop: saved step" not in ended.output:
        raise Failure(f"in {phase}: exit {ended.code} without having saved")
    if "Traceback" in ended.output:
        raise Failure(f"in {phase}: a traceback: {ended.tail}")
    said = int(ended.output.split("asked to stop: saved step")[1].split()[0])
    if int(final_state(workdir)["step"]) != said:
        raise Failure(f"says that it saved step {said}, which is not the newest")
    bench.finish(workdir)
    bench.check_like_undisturbed(workdir)


def sigint(bench: Bench, rng) -> None:
    """Ctrl-C does the same."""
    sigterm(bench, rng, signal.SIGINT)


def two_syntheses(bench: Bench, rng) -> None:
    """Two processes synthesize into one directory: one fills it, one is refused."""
    labels = [item["labels"] for item in open_dataset(bench.dataset).split("test")]
    mask, output = bench.new_path("mask"), bench.new_path("synthesis")
    mask = mask.with_suffix(".nii.gz")
    write_volume(mask, np.transpose(labels, (2, 1, 0)), GRID.affine)
    flags = [f"--workdir={bench.straight}", f"--mask={mask}", f"--output={output}"]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: start("synthesize", *flags), range(2)))
    done, refused = sorted(both, key=lambda ended: ended.returncode)
    if done.returncode or "exists already" not in refused.error:
        raise Failure(f"exit {done.returncode} and {refused.returncode}")
    told = set(done.stdout.split())
    if told - {str(path) for path in output.iterdir()} or len(told) < 4:
        raise Failure(f"{output.name} is not whole")
    if left := list(output.parent.glob(f".{output.name}*")):
        raise Failure(f"{left[0].name} is left")


def truncated(bench: Bench, rng) -> None:
    """A file of the newest checkpoint has lost its end."""
    workdir = _half_way(bench, "truncated")
    files = [p for p in newest(workdir).rglob("*") if p.stat().st_size and p.is_file()]
    victim = sorted(files)[rng.integers(len(files))]
    content = victim.read_bytes()
    victim.write_bytes(content[: rng.integers(len(content))])
    _goes_on(bench, workdir, f"truncated {victim.relative_to(workdir)}")


def missing_item(bench: Bench, rng) -> None:
    """A file or folder of the newest checkpoint is gone."""
    workdir = _half_way(bench, "missing")
    items = sorted(newest(workdir).rglob("*"))
    victim = items[rng.integers(len(items))]
    shutil.rmtree(victim) if victim.is_dir() else victim.unlink()
    _goes_on(bench, workdir, f"lost {victim.relative_to(workdir)}")


def stale_save(bench: Bench, rng) -> None:
    """An earlier process has left half a checkpoint under its temporary name."""
    workdir = _half_way(bench, "stale")
    last = newest(workdir)
    later = int(last.name) + int(rng.integers(0, 3))
    stale = last.with_name(f"{later}.orbax-checkpoint-tmp")
    shutil.copytree(last, stale)
    for path in sorted(p for p in stale.rglob("*") if p.is_file())[:3]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _goes_on(bench, workdir, f"stale {stale.name}")
    if stale.exists():
        raise Failure(f"{stale.name} is still there")


def passed_off(bench: Bench, rng) -> None:
    """An older checkpoint lies under the name of a later step."""
    workdir = _half_way(bench, "passed-off")
    last = newest(workdir)
    shutil.copytree(last, last.with_name(str(int(last.name) + int(rng.integers(1, 4)))))
    _goes_on(bench, workdir, "passed off as a later step")


def full_disk(bench: Bench, rng) -> None:
    """The disk is full some way into a save; later there is room again."""
    disk = bench.new_path("full-disk")
    with small_disk(disk, megabytes=32):
        workdir = disk / "run"
        _stop_at(bench, workdir, step=5)
        with filled(disk, leaving=int(rng.integers(0, 120_000))):
            check_one_line(bench.run(workdir), r"cannot be written \(No space left")
        bench.finish(workdir)
        bench.check_like_undisturbed(workdir)


def file_limit(bench: Bench, rng) -> None:
    """The same by a limit of the size of files, which needs no right to mount."""
    workdir = _half_way(bench, "file-limit")
    limit = int(rng.integers(10_000, 100_000))
    check_one_line(bench.run(workdir, file_limit=limit), "cannot be written")
    bench.finish(workdir)
    bench.check_like_undisturbed(workdir)


def read_only_directory(bench: Bench, rng) -> None:
    """The work directory can no longer be written, then it can."""
    workdir = _half_way(bench, "read-only")
    with read_only(workdir):
        check_one_line(bench.run(workdir), r"cannot be written \(Read-only")
    bench.finish(workdir)
    bench.check_like_undisturbed(workdir)


def two_runs(bench: Bench, rng) -> None:
    """A second run is started in the work directory of one that is under way."""
    workdir = bench.new_path("two-runs")
    first = bench.start(workdir)
    while not (workdir / ".lock").exists():
        first[0].join(0.1)
    check_one_line(bench.run(workdir), "another run is using it")
    if bench.wait(first).code != 0:
        raise Failure("the first run was disturbed")
    bench.check_like_undisturbed(workdir)


def clock_jumps(bench: Bench, rng) -> None:
    """The wall clock leaps by months, back and forth, also across a kill."""
    workdir = bench.new_path("clock")
    moment = random_moment(rng, "save")
    ended = bench.run(workdir, clock="jumps", moment=moment)
    if ended.code != -signal.SIGKILL:
        raise Failure(f"not killed: exit {ended.code}: {ended.tail}")
    bench.finish(workdir, clock="jumps")
    bench.check_like_undisturbed(workdir)


def first_dies(bench: Bench, rng) -> None:
    """The same for the process that coordinates and saves."""
    peer_dies(bench, rng, victim=0)


def peer_dies(bench: Bench, rng, victim: int = 1) -> None:
    """One of two processes is killed; the other must not wait for ever."""
    workdir = bench.new_path("peer")
    moment = Moment("step", int(rng.integers(2, 9)), float(rng.uniform(0, 0.1)))
    both = bench.start_pair(workdir, moment=moment, victim=victim)
    killed, survivor = both[victim], both[1 - victim]
    if bench.wait(killed).code != -signal.SIGKILL:
        raise Failure("was not killed")
    check_one_line(bench.wait(survivor), "another process")
    bench.finish_pair(workdir)
    bench.check_like_undisturbed(workdir, bench.straight_pair)


def _half_way(bench: Bench, name: str) -> Path:
    """A run that was asked to stop after several checkpoints."""
    workdir = bench.new_path(name)
    _stop_at(bench, workdir, step=7)
    return workdir


def _stop_at(bench: Bench, workdir: Path, *, step: int) -> None:
    """Starts a run that is asked to stop at a step, and checks that it did."""
    ended = bench.run(workdir, moment=Moment("step", step, 0.0, signal.SIGTERM))
    if ended.code != 0 or f"asked to stop: saved step {step}" not in ended.output:
        raise Failure(f"not stopped at step {step}: exit {ended.code}: {ended.tail}")


def _goes_on(bench: Bench, workdir: Path, what: str) -> None:
    try:
        bench.finish(workdir)
        bench.check_like_undisturbed(workdir)
    except Failure as failure:
        raise Failure(f"{what}: {failure}") from failure
