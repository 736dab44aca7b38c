"""Layouts whose files are called ``ID<separator><suffix>.nii.gz``, as a table."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from samr_jax.prepare.find.raw import LABELS_ROLE, Found, RawSubject, nifti_files, stem
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import KNOWN


@dataclasses.dataclass(frozen=True)
class NamedFiles:
    """One naming scheme. Its scans are co-registered and skull-stripped.

    Attributes:
      suffixes: sequence or another role -> its suffixes, the preferred suffix first.
      separator: the text between the identifier and the suffix.
      preset: label preset of the annotation (`samr_jax.labels.PRESETS`).
      visit: regular expression of the part at the end of an identifier that numbers the
        time points of a patient. The identifier without it is the patient.
      bare: whether ``suffix.nii.gz`` in a folder called ID is accepted, too.
      common_space: whether all subjects were aligned with one atlas.
    """

    suffixes: Mapping[str, tuple[str, ...]]
    preset: str
    separator: str = "_"
    visit: str = "$"
    bare: bool = False
    common_space: bool = True

    def find(self, root: Path, name: str) -> Found:
        """All subjects under `root`.

        Raises:
          InputError: two files are the same scan of a subject.
        """
        claims: dict[str, dict[tuple[str, str], Path]] = {}
        for path in nifti_files(root):
            claim = self._parse(path)
            if claim is None:
                continue
            subject, role, suffix = claim
            taken = claims.setdefault(subject, {})
            if (role, suffix) in taken:
                raise InputError(
                    f"{path}: second file for {role} of {subject} after "
                    f"{taken[role, suffix]}, expected one"
                )
            taken[role, suffix] = path
        subjects = tuple(self._subject(key, claims[key]) for key in sorted(claims))
        return Found(name, subjects, self.preset, self.common_space)

    def _parse(self, path: Path) -> tuple[str, str, str] | None:
        """The file's (identifier, role, suffix), or None if it is of another layout."""
        text = stem(path)
        known = [(r, s) for r, suffixes in self.suffixes.items() for s in suffixes]
        # The longest suffix first, since "automated_approx_segm" ends in "segm".
        for role, suffix in sorted(known, key=lambda pair: -len(pair[1])):
            ending = self.separator + suffix
            if self.bare and text == suffix:
                return path.parent.name, role, suffix
            if text.endswith(ending) and len(text) > len(ending):
                return text[: -len(ending)], role, suffix
        return None

    def _subject(self, name: str, taken: Mapping[tuple[str, str], Path]) -> RawSubject:
        files = {
            role: next(taken[role, s] for s in suffixes if (role, s) in taken)
            for role, suffixes in self.suffixes.items()
            if any((role, s) in taken for s in suffixes)
        }
        folder = next(iter(files.values())).parent
        expected = {
            role: folder / f"{name}{self.separator}{suffixes[0]}.nii.gz"
            for role, suffixes in self.suffixes.items()
        }
        patient = re.sub(self.visit, "", name)
        return RawSubject(name, patient, files, expected, registered=True)


# These collections hold no quantitative maps. A site that has them adds files that end
# in the map's name in lower case.
_MAPS = {s.name: (s.name.lower(),) for s in KNOWN.values() if not s.anatomic}

NAMED_LAYOUTS: Mapping[str, NamedFiles] = {
    "brats2021": NamedFiles(
        suffixes={
            "T1w": ("t1",),
            "Gd-T1w": ("t1ce",),
            "T2w": ("t2",),
            "FLAIR": ("flair",),
            **_MAPS,
            LABELS_ROLE: ("seg",),
        },
        preset="brats2021",
        bare=True,
    ),
    "brats2023": NamedFiles(
        suffixes={
            "T1w": ("t1n",),
            "Gd-T1w": ("t1c",),
            "T2w": ("t2w",),
            "FLAIR": ("t2f",),
            **_MAPS,
            LABELS_ROLE: ("seg",),
        },
        separator="-",
        # The post-treatment protocol of 2024 and 2025 adds one value to that of 2023.
        preset="brats2024",
        visit=r"-\d{3}$",
    ),
    "ucsf-pdgm": NamedFiles(
        suffixes={
            "T1w": ("T1_bias", "T1"),
            "Gd-T1w": ("T1c_bias", "T1c"),
            "T2w": ("T2_bias", "T2"),
            "FLAIR": ("FLAIR_bias", "FLAIR"),
            **_MAPS,
            LABELS_ROLE: ("tumor_segmentation",),
        },
        preset="brats2021",
        visit=r"_FU\d+d$",
        common_space=False,
    ),
    "upenn-gbm": NamedFiles(
        suffixes={
            "T1w": ("T1",),
            "Gd-T1w": ("T1GD",),
            "T2w": ("T2",),
            "FLAIR": ("FLAIR",),
            **_MAPS,
            LABELS_ROLE: ("segm", "automated_approx_segm"),
        },
        preset="brats2021",
        visit=r"_\d\d$",
    ),
}
"""Known schemes by name: the BraTS challenges of 2021 and of 2023 to 2025, UCSF-PDGM
and UPENN-GBM."""
