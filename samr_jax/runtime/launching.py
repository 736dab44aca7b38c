"""What every command does before and around its work."""

from __future__ import annotations

import logging
import os
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import absl.logging
import ml_collections
from absl import flags

from samr_jax.runtime.errors import InputError, TrainingError
from samr_jax.runtime.memory import keep_freed_memory

_log = logging.getLogger(__name__)


def run(main: Callable[[], None]) -> None:
    """Parses the flags and calls `main`.

    What the user can mend becomes one line and exit status 1: an `InputError`, a
    `TrainingError`, an unknown flag or a config override that does not fit.
    """

    def parse(argv: list[str]) -> None:
        keep_freed_memory()  # Config files import JAX.
        try:
            rest = flags.FLAGS(argv)
        # What config files and their overrides raise is of any kind.
        except Exception as error:
            reason = _unknown_override(argv) or _reason(error)
            raise InputError(f"flags: {reason}") from error
        if len(rest) > 1:
            raise InputError(f"flags: unexpected argument {rest[1]!r}")
        prepare_process()

    try:
        parse(sys.argv)
        main()
    except (InputError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except RuntimeError as error:
        if not _is_of_several_processes():
            raise
        _leave_the_others(error)


def _is_of_several_processes() -> bool:
    import jax

    return jax.process_count() > 1


def _leave_the_others(error: RuntimeError) -> None:
    """Ends this process of several, most likely because another one is gone."""
    reason = str(error).splitlines() or [""]
    print(
        f"error: another process has failed or cannot be reached ({reason[0]:.200}); "
        "start all of them again, and the run resumes",
        file=sys.stderr,
        flush=True,
    )
    # Not sys.exit: JAX would wait for the others before it lets go.
    os._exit(1)


def loaded(config: flags.FlagHolder) -> ml_collections.ConfigDict:
    """The value of a config file flag; a file that cannot be read is an error."""
    try:
        config.value.items()
    except OSError as error:
        raise InputError(f"--config: {_reason(error)}") from error
    return config.value


def read_config_file(path: Path, variant: str = "paper") -> ml_collections.ConfigDict:
    """The config of a file in ``configs/``, in a variant of those that it has."""
    if not path.exists():
        raise InputError(f"{path}: no such file, expected a config")
    try:
        return runpy.run_path(str(path))["get_config"](variant)
    except ValueError as error:
        raise InputError(f"--variant: {error}") from error


def _reason(error: Exception) -> str:
    """One line of what flags and config files raise."""
    if isinstance(error, KeyError | AttributeError):
        field = str(error.args[0]).replace('"', "").replace("'", "")
        return f"unknown config field {field}"
    # A config file's own error comes last, behind a description of where.
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def _unknown_override(argv: list[str]) -> str | None:
    """One line on the first ``--config.FIELD`` that the config does not have."""
    given = dict(re.findall(r"^--(config[\w.]*)=(.*)$", "\n".join(argv), re.M))
    path, _, variant = given.pop("config", "").partition(":")
    try:
        config = read_config_file(Path(path), *filter(None, [variant]))
    except Exception:  # Whatever is wrong with the file is reported as that.
        return None
    for override in given:
        *sections, leaf = override.split(".")[1:]
        section = config
        for name in sections:
            section = section.get(name, {})
        if leaf not in section:
            field, known = override.partition(".")[2], ", ".join(section or config)
            method = config.get("method")
            return f"method {method!r} has no field {field}, expected one of {known}"
    return None


def prepare_process() -> None:
    """Logging, the compilation cache, memory, and several hosts if they were announced.

    Hosts: `jax.distributed` connects the processes before any device is touched, with
    ``JAX_COORDINATOR_ADDRESS``, ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID`` set, or on
    a slice of TPU VMs, which knows them, with ``SAMR_JAX_DISTRIBUTED=1``.
    """
    _log_to_console()
    import jax

    from samr_jax.runtime.files import cache_directory

    cache = cache_directory() / "compiled"
    if _is_private(cache):
        jax.config.update("jax_compilation_cache_dir", str(cache))
    _connect_processes(jax.distributed.initialize)
    devices = jax.devices()
    _log.info(
        "%d %s device(s), %d process(es)",
        len(devices),
        devices[0].device_kind,
        jax.process_count(),
    )


def _is_private(cache: Path) -> bool:
    """Makes a folder that only the user can write to: what is in it is executed."""
    try:
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        cache.chmod(0o700)
    except OSError as error:
        # Another user's folder cannot be made private, either.
        _log.warning("no compilation cache: %s (%s)", cache, error.strerror)
        return False
    return cache.stat().st_uid == os.getuid()


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
    """Our own messages on standard error; of the libraries' only warnings.

    Orbax logs the traceback of a save that failed before it raises the error, of which
    the user then gets one line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    ours = logging.getLogger("samr_jax")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    absl.logging.set_verbosity(absl.logging.FATAL)
    sys.unraisablehook = _report_unless_of_a_failed_save


def _report_unless_of_a_failed_save(raised) -> None:
    """TensorStore's threads go on after Orbax has closed their loop, once for an array.

    Why the save has failed is an error of its own.
    """
    if str(raised.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(raised)
