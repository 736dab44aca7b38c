"""Edits a lesion mask, and writes the recipe of the edit.

    samr-jax edit --mask=mask.nii.gz --output=bigger.nii.gz --edit=scale:tumor=2.0
    samr-jax edit --mask=mask.nii.gz --output=moved.nii.gz \\
        --edit=move:dx=5,dy=-3,rotate:degrees=20,seed=7
    samr-jax edit --mask=mask.nii.gz --output=other.nii.gz --edit=random,seed=7
    samr-jax edit --mask=mask.nii.gz --output=again.nii.gz --edit=other.json

The edits, which are applied one after the other, with lengths in millimetres:

    scale:tumor=2.0            lesion, edema, cavity or tumor to a factor of its size
    scale:tumor=2.0,edema=carried   and the edema moves outwards with the tumor's border
    remove, remove:part=tumor  the lesion, or a part of it
    move:dx=5,dy=-3,dz=0       to the patient's left, posterior, superior
    rotate:degrees=20          in the axial plane
    mirror                     to the other hemisphere
    deform:mm=3,scale=12       by a smooth random displacement
    replace:donor=FILE         by the lesion of another mask (also dx, dy, dz)
    insert:donor=FILE          the same, into a healthy brain
    recombine:edema=FILE,cavity=FILE,tumor=FILE   parts of other masks, one or more
    paint:...                  voxels that were painted by hand in samr-jax page

The edited mask has the codes 0 background, 1 normal brain, 2 edema, 3 cavity and
4 tumor, whatever the codes of the original are. The recipe is a .json file next to it.
"""

from samr_jax.commands.frame.flags import Flags

FLAGS = Flags()

_FILES = FLAGS.group("Input and output")
_MASK = _FILES.string("mask", None, "Lesion mask, NIfTI.", form="FILE", required=True)
_OUTPUT = _FILES.string(
    "output", None, "Edited mask, .nii or .nii.gz.", form="FILE", required=True
)
_LABELS = _FILES.string(
    "labels",
    "samr",
    "Codes of all masks: samr, or a protocol such as brats2021, brats2023 or "
    "brats2024.",
    form="PRESET",
)
_BRAIN = _FILES.string(
    "brain",
    None,
    "NIfTI on the mask's grid that is not 0 in the brain, such as a scan without "
    "skull. Without it, a mask that marks no normal brain has to lie in MNI space, and "
    "the brain of the packaged atlas is taken (z = -22 to 66 mm).",
    form="FILE",
)

_CHANGE = FLAGS.group("The edit")
_EDIT = _CHANGE.string(
    "edit",
    None,
    "Edits as listed below, or random[,seed=N], or a recipe's .json file.",
    form="RECIPE",
    required=True,
)
_DONORS = _CHANGE.strings(
    "donors", [], "Masks that a random edit may take lesions from.", form="FILE,..."
)


def main() -> None:
    from samr_jax.data.edits import edit_files
    from samr_jax.inference.placement import mark_packaged_brain

    edited = edit_files(
        _MASK.value,
        _EDIT.value,
        _OUTPUT.value,
        labels=_LABELS.value,
        brain=_BRAIN.value,
        mark=mark_packaged_brain,
        donors=_DONORS.value,
    )
    print(edited.recipe)
