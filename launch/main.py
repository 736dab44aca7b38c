"""Trains a method as a config describes, and evaluates it."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("train")
