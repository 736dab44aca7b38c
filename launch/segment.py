"""Segments a patient's MR images with a run that segments."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("segment")
