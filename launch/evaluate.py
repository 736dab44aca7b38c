"""Scores a trained run on a split of its dataset."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("evaluate")
