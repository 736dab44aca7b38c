"""What every command does before and around its work."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from absl import logging

from samr_jax.errors import InputError


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

    Hosts: on a TPU VM, or with ``JAX_COORDINATOR_ADDRESS`` set, `jax.distributed`
    connects the processes; it must come before any device is touched.
    """
    logging.set_verbosity(logging.INFO)
    logging.use_absl_handler()
    logging.get_absl_handler().setFormatter(None)
    import jax

    from samr_jax.embedded import cache_directory

    cache = cache_directory() / "compiled"
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    jax.config.update("jax_compilation_cache_dir", str(cache))
    if "JAX_COORDINATOR_ADDRESS" in os.environ:
        jax.distributed.initialize()
    devices = jax.devices()
    logging.info(
        "%d %s device(s), %d process(es)",
        len(devices),
        devices[0].device_kind,
        jax.process_count(),
    )
