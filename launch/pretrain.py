"""Trains the weights that come with the package, scores them, and packs them."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("pretrain")
