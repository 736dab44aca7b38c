"""What every command does before and around its work."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

import absl.logging
import ml_collections
from absl import flags

from samr_jax.errors import InputError, TrainingError

_log = logging.getLogger(__name__)


def run(main: Callable[[], None]) -> None:
    """Parses the flags and calls `main`.

    What the user can mend becomes one line and exit status 1: an `InputError`, a
    `TrainingError`, an unknown flag or a config override that does not fit.
    """

    def parse(argv: list[str]) -> None:
        try:
            rest = flags.FLAGS(argv)
        # What config files and their overrides raise is of any kind.
        except Exception as error:
            raise InputError(f"flags: {_reason(error)}") from error
        if len(rest) > 1:
            raise InputError(f"flags: unexpected argument {rest[1]!r}")
        prepare_process()

    try:
        parse(sys.argv)
        main()
    except (InputError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def loaded(config: flags.FlagHolder) -> ml_collections.ConfigDict:
    """The value of a config file flag; a file that cannot be read is an error."""
    try:
        config.value.items()
    except OSError as error:
        raise InputError(f"--config: {_reason(error)}") from error
    return config.value


def _reason(error: Exception) -> str:
    """One line of what flags and config files raise."""
    if isinstance(error, KeyError | AttributeError):
        field = str(error.args[0]).replace('"', "").replace("'", "")
        return f"unknown config field {field}"
    # A config file's own error comes last, behind a description of where.
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def prepare_process() -> None:
    """Logging, the compilation cache, and several hosts where they were announced.

    Hosts: `jax.distributed` connects the processes before any device is touched, with
    ``JAX_COORDINATOR_ADDRESS``, ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID`` set, or on
    a slice of TPU VMs, which knows them, with ``SAMR_JAX_DISTRIBUTED=1``.
    """
    _log_to_console()
    import jax

    from samr_jax.files import cache_directory

    cache = cache_directory() / "compiled"
    # What is in there is executed: nobody else may write to it.
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    jax.config.update("jax_compilation_cache_dir", str(cache))
    _connect_processes(jax.distributed.initialize)
    devices = jax.devices()
    _log.info(
        "%d %s device(s), %d process(es)",
        len(devices),
        devices[0].device_kind,
        jax.process_count(),
    )


def _connect_processes(initialize: Callable) -> None:
    names = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
    if names[0] in os.environ:
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            raise InputError(f"{missing[0]} is not set, expected with {names[0]}")
        address, count, index = (os.environ[name] for name in names)
        initialize(address, int(count), int(index))
    elif os.environ.get("SAMR_JAX_DISTRIBUTED") == "1":
        initialize()


def _log_to_console() -> None:
    """Our own messages on standard error; of the libraries' only warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    ours = logging.getLogger("samr_jax")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    absl.logging.set_verbosity(absl.logging.ERROR)
