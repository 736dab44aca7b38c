"""The tiny config as a file, for tests that start commands."""

from samr_jax.config import default
from tests.tiny import shrink


def get_config():
    return shrink(default())
