"""Writes a dataset as NIfTI files for nnU-Net or in the layout of BraTS."""

from samr_jax.commands import run_script

if __name__ == "__main__":
    run_script("export")
