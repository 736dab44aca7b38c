"""Makes a table of the paper, and trains what is missing for it."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("tables")
