"""Synthesizes training data from manipulated masks of training patients."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("augment")
