"""Times synthesis and the training step on random data."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("benchmark")
