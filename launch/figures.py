"""Draws the paper's figures, and figures beyond the paper, from runs on one dataset."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("figures")
