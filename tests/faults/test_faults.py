"""Faults during training: a small part of ``python -m tests.faults``."""

import signal

import numpy as np
import pytest

from tests.faults.bench import (
    Failure,
    check_one_line,
    check_same_state,
    final_state,
    newest,
)
from tests.faults.scenarios import random_moment


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_run_through_kills_no_room_and_a_truncated_file(bench):
    workdir, rng = bench.new_path("unlucky"), np.random.default_rng(0)
    for phase in ("save", "validation"):
        ended = bench.run(workdir, moment=random_moment(rng, phase))
        assert ended.code == -signal.SIGKILL, ended.tail
    check_one_line(bench.run(workdir, file_limit=50_000), "cannot be written")
    largest = max(
        (path for path in newest(workdir).rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    ended = bench.finish(workdir)
    assert "is damaged" in ended.output and "set aside" in ended.output
    bench.check_like_undisturbed(workdir)


def test_the_comparison_sees_a_single_bit(bench):
    state, changed = final_state(bench.straight), final_state(bench.straight)
    check_same_state(changed, state)
    bits = changed["gen"]["opt_state"][0]["mu"].copy()
    bits.view(np.int32)[0] ^= 1
    changed["gen"]["opt_state"][0]["mu"] = bits
    with pytest.raises(Failure, match="mu'] differs at the last step"):
        check_same_state(changed, state)
