"""Opens a page in the browser where a lesion is painted and the images follow."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("page")
