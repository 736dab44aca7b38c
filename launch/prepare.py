"""Turns a folder of scans into a dataset to train on."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("prepare")
