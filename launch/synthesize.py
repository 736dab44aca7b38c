"""Synthesizes MR images from lesion masks."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("synthesize")
