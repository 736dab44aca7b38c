"""Runs a command that sends itself a signal at a certain training step.

python -m tests.faults.interrupted 2 SIGTERM launch/main.py --config=...
"""

import runpy
import signal
import sys

from tests.faults.child import Moment, plant

if __name__ == "__main__":
    _, step, name, *sys.argv = sys.argv
    plant(Moment("step", int(step), 0.0, signal.Signals[name]))
    runpy.run_path(sys.argv[0], run_name="__main__")
