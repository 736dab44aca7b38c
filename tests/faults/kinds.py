"""All kinds of faults by their names, and how often the command does each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tests.faults import jobs, machine, scenarios
from tests.faults.bench import Bench


class Kind(NamedTuple):
    """A kind of fault.

    Attributes:
      scenario: does it to a run, and raises `Failure` where it was not survived.
      repeats: how often, each time with other random numbers.
      faults: how many faults a scenario does.
    """

    scenario: Callable[[Bench, np.random.Generator], None]
    repeats: int
    faults: int = 1


KINDS = {
    "kill": Kind(scenarios.kill, 15, faults=4),
    "kill_report": Kind(scenarios.kill_report, 8),
    "sigterm": Kind(scenarios.sigterm, 10),
    "sigint": Kind(scenarios.sigint, 10),
    "interrupted_start": Kind(machine.interrupted_start, 12),
    "paused": Kind(machine.paused, 6),
    "truncated": Kind(scenarios.truncated, 12),
    "missing_item": Kind(scenarios.missing_item, 12),
    "stale_save": Kind(scenarios.stale_save, 6),
    "passed_off": Kind(scenarios.passed_off, 3),
    "full_disk": Kind(scenarios.full_disk, 9),
    "slow_disk": Kind(machine.slow_disk, 6),
    "file_limit": Kind(scenarios.file_limit, 6),
    "read_only": Kind(scenarios.read_only_directory, 3),
    "out_of_memory": Kind(machine.out_of_memory, 8),
    "foreign_cache": Kind(machine.foreign_cache, 3),
    "two_runs": Kind(scenarios.two_runs, 3),
    "two_syntheses": Kind(scenarios.two_syntheses, 3),
    "clock_jumps": Kind(scenarios.clock_jumps, 6),
    "clock_backwards": Kind(machine.clock_backwards, 4),
    "peer_dies": Kind(scenarios.peer_dies, 4),
    "first_dies": Kind(scenarios.first_dies, 4),
    "template": Kind(jobs.template, 4),
    "packing": Kind(jobs.packing, 6),
}
"""Name -> kind. The command does 208 faults in all."""
