"""The commands: one module each, which declares flags and calls one function.

``samr-jax COMMAND`` and ``python launch/COMMAND.py`` start them.
"""

from samr_jax.commands.frame.run import COMMANDS, main, run_script

__all__ = ["COMMANDS", "main", "run_script"]
