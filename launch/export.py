"""Writes a dataset as NIfTI files for nnU-Net or in the BraTS challenges' layout.

    python launch/export.py --data_dir=synthesized --layout=nnunet \\
        --output=nnUNet_raw/Dataset501_Glioma

A file provenance.json says whether the images were simulated or synthesized.
"""

from absl import flags

from samr_jax.runtime.launching import run

_DATA = flags.DEFINE_string("data_dir", None, "A prepared dataset.", required=True)
_LAYOUT = flags.DEFINE_string("layout", "nnunet", "nnunet, brats2021 or brats2023.")
_OUTPUT = flags.DEFINE_string("output", None, "New directory.", required=True)


def main() -> None:
    from samr_jax.data.dataset import open_dataset
    from samr_jax.inference.export import export

    names = export(open_dataset(_DATA.value), _OUTPUT.value, layout=_LAYOUT.value)
    print(f"{_OUTPUT.value}: {len(names)} subjects")


if __name__ == "__main__":
    run(main)
