"""Edits a lesion mask, and writes a recipe with which the edit can be repeated.

    python launch/edit.py --mask=mask.nii.gz --output=bigger.nii.gz \\
        --edit=scale:tumor=2.0,move:dx=5,dy=-3,rotate:degrees=20,seed=7

The edits, one after the other, with lengths in millimetres:

    scale:tumor=2.0            lesion, edema, cavity or tumor to a factor of its size
    remove, remove:part=tumor  the lesion, or a part of it
    move:dx=5,dy=-3,dz=0       to the patient's left, posterior, superior
    rotate:degrees=20          in the axial plane
    mirror                     to the other hemisphere
    deform:mm=3,scale=12       by a smooth random displacement
    replace:donor=FILE         by the lesion of another mask (also dx, dy, dz)
    insert:donor=FILE          the same, into a healthy brain
    recombine:edema=FILE,cavity=FILE,tumor=FILE   parts of other masks, one or more

Or --edit=random,seed=7 with --donors=FILE,FILE; or --edit=recipe.json to repeat.
"""

from absl import flags

from samr_jax.data.edits import edit_files
from samr_jax.runtime.launching import run

_MASK = flags.DEFINE_string("mask", None, "Lesion mask, NIfTI.", required=True)
_EDIT = flags.DEFINE_string("edit", None, "Recipe; see --help.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Edited mask, .nii or .nii.gz, in codes 0 background, 1 normal brain, 2 edema, "
    "3 cavity, 4 tumor. Its recipe goes beside it as .json.",
    required=True,
)
_LABELS = flags.DEFINE_string("labels", "samr", "Preset of the codes of all masks.")
_BRAIN = flags.DEFINE_string(
    "brain", None, "NIfTI on the mask's grid, not 0 in the brain, such as a scan."
)
_DONORS = flags.DEFINE_list("donors", [], "Masks that --edit=random may use.")


def main() -> None:
    edited = edit_files(
        _MASK.value,
        _EDIT.value,
        _OUTPUT.value,
        labels=_LABELS.value,
        brain=_BRAIN.value,
        donors=_DONORS.value,
    )
    print(edited.recipe)


if __name__ == "__main__":
    run(main)
