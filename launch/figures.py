"""Draws the paper's figures from runs on one dataset."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("figures")
