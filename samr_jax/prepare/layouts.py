"""Which files belong to which subject: the layouts that are read without conversion."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from samr_jax.errors import InputError

LABELS_ROLE = "labels"
"""Key of the lesion label map among a subject's files."""


@dataclasses.dataclass(frozen=True)
class RawSubject:
    """The files of one time point of one patient.

    Attributes:
      name: identifier in the source, unique in it.
      patient: who it is; several time points share one.
      files: sequence name, or `LABELS_ROLE`, -> file.
      expected: the same keys -> the file that the layout would have there.
    """

    name: str
    patient: str
    files: Mapping[str, Path]
    expected: Mapping[str, Path]

    def file(self, role: str) -> Path:
        """The file of `role`; its absence is an `InputError` that names it."""
        if role not in self.files:
            wanted = self.expected.get(role, "none: the layout has no such file")
            raise InputError(f"{self.name}: {role} is missing, expected {wanted}")
        return self.files[role]


@dataclasses.dataclass(frozen=True)
class Found:
    """What a folder holds."""

    layout: str
    preset: str
    subjects: tuple[RawSubject, ...]


@dataclasses.dataclass(frozen=True)
class NamedFiles:
    """A layout whose files are called ``ID<separator><suffix>.nii.gz``.

    Attributes:
      suffixes: sequence name or `LABELS_ROLE` -> suffix.
      separator: what stands between the identifier and the suffix.
      preset: label preset of the annotation (`samr_jax.labels.PRESETS`).
      visit: regular expression of the end of an identifier that tells time points of
        one patient apart; the rest is the patient.
      bare: whether ``suffix.nii.gz`` in a folder called ID is also accepted.
    """

    suffixes: Mapping[str, str]
    separator: str
    preset: str
    visit: str = "$"
    bare: bool = False

    def find(self, root: Path) -> tuple[RawSubject, ...]:
        """All subjects under `root`, sorted by name; empty if none is complete enough.

        Raises:
          InputError: two files claim the same place.
        """
        files: dict[str, dict[str, Path]] = {}
        for path in _nifti_files(root):
            named = self._parse(path)
            if named is None:
                continue
            name, role = named
            own = files.setdefault(name, {})
            if role in own:
                raise InputError(
                    f"{path}: second file for {role} of {name} after {own[role]}, "
                    "expected one"
                )
            own[role] = path
        return tuple(
            self._subject(name, own) for name, own in sorted(files.items()) if own
        )

    def _parse(self, path: Path) -> tuple[str, str] | None:
        """The file's (identifier, role), or None where it is not of this layout."""
        stem = path.name.split(".nii")[0]
        for role, suffix in self.suffixes.items():
            if self.bare and stem == suffix:
                return path.parent.name, role
            ending = self.separator + suffix
            if stem.endswith(ending) and len(stem) > len(ending):
                return stem[: -len(ending)], role
        return None

    def _subject(self, name: str, files: Mapping[str, Path]) -> RawSubject:
        folder = next(iter(files.values())).parent
        expected = {
            role: folder / f"{name}{self.separator}{suffix}.nii.gz"
            for role, suffix in self.suffixes.items()
        }
        return RawSubject(name, re.sub(self.visit, "", name), files, expected)


LAYOUTS: Mapping[str, NamedFiles] = {
    "brats2021": NamedFiles(
        suffixes={
            "T1w": "t1",
            "Gd-T1w": "t1ce",
            "T2w": "t2",
            "FLAIR": "flair",
            "APTw": "aptw",
            LABELS_ROLE: "seg",
        },
        separator="_",
        preset="brats2021",
        bare=True,
    ),
    "brats2023": NamedFiles(
        suffixes={
            "T1w": "t1n",
            "Gd-T1w": "t1c",
            "T2w": "t2w",
            "FLAIR": "t2f",
            "APTw": "aptw",
            LABELS_ROLE: "seg",
        },
        separator="-",
        # The post-treatment protocol of 2024 and 2025 adds a value to that of 2023.
        preset="brats2024",
        visit=r"-\d{3}$",
    ),
}
"""Known layouts by name. APTw is in none of the challenges; a site that has it adds it
under this name."""


def find_subjects(root: str | Path, layout: str = "auto") -> Found:
    """Finds the subjects of a folder.

    Args:
      root: the folder.
      layout: a name of `LAYOUTS`, or ``auto`` for the one that most files follow.

    Raises:
      InputError: there is no such folder or layout, or nothing in it is recognised.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder, expected one with subjects")
    if layout != "auto" and layout not in LAYOUTS:
        raise InputError(
            f"layout {layout!r} is unknown, expected auto or {', '.join(LAYOUTS)}"
        )
    names = LAYOUTS if layout == "auto" else (layout,)
    found = {name: LAYOUTS[name].find(root) for name in names}
    best = max(found, key=lambda name: sum(len(s.files) for s in found[name]))
    if not found[best]:
        example = next(iter(LAYOUTS[best].suffixes.values()))
        raise InputError(
            f"{root}: no subjects of layout {', '.join(names)} in it, expected files "
            f"such as ID{LAYOUTS[best].separator}{example}.nii.gz"
        )
    return Found(best, LAYOUTS[best].preset, found[best])


def _nifti_files(root: Path) -> list[Path]:
    """All NIfTI files under `root`, sorted; hidden ones are left out."""
    paths = (p for p in root.rglob("*.nii*") if p.name.endswith((".nii", ".nii.gz")))
    return sorted(p for p in paths if not p.name.startswith("."))
