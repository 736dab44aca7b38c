"""Writes a dataset as NIfTI files for nnU-Net or in the layout of BraTS.

    samr-jax export --data_dir=synthesized --output=nnUNet_raw/Dataset501_Glioma
    samr-jax export --data_dir=synthesized --output=brats --layout=brats2023

For nnU-Net the output has to be named such as Dataset501_Glioma: "Dataset", three
digits, an underscore, and a name. A file provenance.json says whether the images were
simulated or synthesized.
"""

from samr_jax.commands.frame.flags import Flags

FLAGS = Flags()

_FILES = FLAGS.group("Input and output")
_DATA = _FILES.string(
    "data_dir", None, "A prepared or synthesized dataset.", form="DIR", required=True
)
_OUTPUT = _FILES.string("output", None, "New directory.", form="DIR", required=True)
_LAYOUT = _FILES.choice(
    "layout",
    "nnunet",
    ["nnunet", "brats2021", "brats2023"],
    "How folders and files are named.",
)


def main() -> None:
    from samr_jax.data.dataset import open_dataset
    from samr_jax.inference.export import export

    names = export(open_dataset(_DATA.value), _OUTPUT.value, layout=_LAYOUT.value)
    print(f"{_OUTPUT.value}: {len(names)} subjects")
