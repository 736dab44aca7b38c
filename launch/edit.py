"""Edits a lesion mask, and writes the recipe of the edit."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("edit")
