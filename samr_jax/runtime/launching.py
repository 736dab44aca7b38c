"""The common frame of all commands: flags, errors, logging, and devices."""

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

    Errors that the user can correct are printed as one line, with exit status 1: an
    `InputError`, a `TrainingError`, an unknown flag or a config override that does not
    fit.
    """

    def parse(argv: list[str]) -> None:
        keep_freed_memory()  # Config files import JAX.
        try:
            rest = flags.FLAGS(argv)
        # Config files and their overrides may raise any exception.
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
    """Ends this process, one of several, most likely because another one has ended."""
    reason = str(error).splitlines() or [""]
    print(
        f"error: another process has failed or cannot be reached ({reason[0]:.200}); "
        "start all of them again, and the run resumes",
        file=sys.stderr,
        flush=True,
    )
    # sys.exit would not return: JAX waits for the other processes at exit.
    os._exit(1)


def loaded(config: flags.FlagHolder) -> ml_collections.ConfigDict:
    """The value of a config file flag; an `InputError` if the file cannot be read."""
    try:
        config.value.items()
    except OSError as error:
        raise InputError(f"--config: {_reason(error)}") from error
    return config.value


def read_config_file(path: Path, variant: str = "") -> ml_collections.ConfigDict:
    """The config of a file such as those in ``configs/``.

    Args:
      path: of the file.
      variant: one of the file's variants; empty for the one that it has by default.

    Raises:
      InputError: there is no such file, or it has no such variant.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file, expected a config")
    try:
        get_config = runpy.run_path(str(path))["get_config"]
        return get_config(variant) if variant else get_config()
    except ValueError as error:
        raise InputError(f"--variant: {error}") from error


def _reason(error: Exception) -> str:
    """The message of an exception from flags and config files, in one line."""
    if isinstance(error, KeyError | AttributeError):
        field = str(error.args[0]).replace('"', "").replace("'", "")
        return f"unknown config field {field}"
    # A config file's own error is on the last line, after where it was raised.
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def _unknown_override(argv: list[str]) -> str | None:
    """One line on the first ``--config.FIELD`` that the config does not have."""
    given = dict(re.findall(r"^--(config[\w.]*)=(.*)$", "\n".join(argv), re.M))
    path, _, variant = given.pop("config", "").partition(":")
    try:
        config = read_config_file(Path(path), variant)
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
    """Sets up logging, the compilation cache, and runs over several hosts.

    `jax.distributed` connects the processes of several hosts before any device is used.
    Set ``JAX_COORDINATOR_ADDRESS``, ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID``. On a
    slice of TPU VMs, where JAX finds them itself, set ``SAMR_JAX_DISTRIBUTED=1``.
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
    """Makes a folder private to the user, since the programs in it are executed.

    Returns:
      False if that is not possible.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        cache.chmod(0o700)
    except OSError as error:
        # This is also raised for a folder of another user.
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
    """Logs this package's messages on standard error, but hardly any of libraries.

    When a save fails, Orbax logs a traceback and then raises the error, which `run`
    prints as one line.
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
    """Leaves out errors that only follow from a failed save.

    After a failed save Orbax closes its event loop, and TensorStore's threads then
    raise one error per array. The cause of the failure is reported elsewhere.
    """
    if str(raised.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(raised)
