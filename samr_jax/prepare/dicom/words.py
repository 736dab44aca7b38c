"""The words of a series description that name sequences.

A description is free text, in which a name or a date may stand. Only words of this list
are shown; all others become one ``*``.
"""

from __future__ import annotations

import re

_WEIGHTING = r"(ax|cor|sag|[a-z]|3d)?t[12](w|wi|wce|star|c|ce|gd|flair|post|\*)?"

_LISTED = """
2d 3d adc apt aptw asl ax axial b0 blade bold brain bravo c ce cest cor coronal
contrast cube dark dce diff diffusion dis2d dis3d dsc dti dwi ep2d epi fa fatsat ffe
fgre fl2d fl3d flair flash fluid fmri fs fse fspgr gad gado gadolinium gd ge gre hemo
ir iso km kontrastmittel loc localiser localizer map medic mip mpr mprage mra mrv
mp2rage native nativ no non norm obl oblique ohne pd pdw perf perfusion phase plane plus
post postcontrast postgd pre precontrast propeller pwi recon reformat sag sagittal sans
scout se space spgr spin stereo stir sub subtraction survey swan swi tensor tfe tir tirm
tof tra trace tracew trans transversal transverse tse vibe vista w with without wo
"""


def known_words(text: str) -> str:
    """The known words of a description, separated by blanks; others become ``*``."""
    listed = set(_LISTED.split())
    shown: list[str] = []
    for word in words_of(text):
        known = word in listed or re.fullmatch(_WEIGHTING, word)
        shown.append(word if known or word == "+" else "*")
    pairs = zip(shown, ["", *shown], strict=False)
    return " ".join(word for word, before in pairs if not word == before == "*")


def words_of(text: str) -> list[str]:
    """The words of a description, lower case: letters, digits, ``*`` and ``+``."""
    return re.findall(r"[a-z0-9]+\*?|\+", text.lower().replace("w/o", "wo"))
