"""What every command does before and around its work."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

import absl.logging

from samr_jax.errors import InputError

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Turns what the user can mend into one line and exit status 1."""
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def prepare_process() -> None:
    """Logging, the compilation cache, and several hosts where they were announced.

    Hosts: with ``JAX_COORDINATOR_ADDRESS`` set, `jax.distributed` connects the
    processes; it must come before any device is touched.
    """
    _log_to_console()
    import jax

    from samr_jax.embedded import cache_directory

    cache = cache_directory() / "compiled"
    # What is in there is executed: nobody else may write to it.
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    jax.config.update("jax_compilation_cache_dir", str(cache))
    if "JAX_COORDINATOR_ADDRESS" in os.environ:
        jax.distributed.initialize()
    devices = jax.devices()
    _log.info(
        "%d %s device(s), %d process(es)",
        len(devices),
        devices[0].device_kind,
        jax.process_count(),
    )


def _log_to_console() -> None:
    """Our own messages on standard error; of the libraries' only warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    ours = logging.getLogger("samr_jax")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False
    absl.logging.set_verbosity(absl.logging.ERROR)
