"""BIDS: raw images under ``sub-*``, masks and label maps under ``derivatives``."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from samr_jax.labels import BACKGROUND, CAVITY, EDEMA, NORMAL, TISSUES, TUMOR
from samr_jax.prepare.find.raw import (
    BRAIN_ROLE,
    LABELS_ROLE,
    Found,
    RawSubject,
    companion,
    nifti_files,
    stem,
)
from samr_jax.runtime.errors import InputError

_ENTITY = re.compile(r"([a-z]+)-([A-Za-z0-9]+)")

_NAMES: Mapping[int, tuple[str, ...]] = {
    BACKGROUND: ("background",),
    NORMAL: ("normal", "brain", "healthy"),
    EDEMA: ("edema", "oedema", "snfh", "ed", "flair"),
    CAVITY: ("cavity", "necro", "ncr", "netc", "rc", "resection"),
    TUMOR: ("tumor", "tumour", "enhancing", "et"),
}
"""Beginnings of the words by which ``dseg.tsv`` files call our labels."""


def find_bids(root: Path, *, aptw_suffix: str = "APTw") -> Found:
    """Finds the subjects and sessions of a BIDS dataset.

    A T1w file with a contrast agent (``ce-``) is the Gd-T1w. BIDS has no suffix for
    APTw, so that `aptw_suffix` says it; its unsaturated image has ``ref`` behind it.
    The label map is the ``dseg`` under ``derivatives``, explained by a ``dseg.tsv``.

    Raises:
      InputError: two files claim the same place, or a table cannot be understood.
    """
    claims: dict[tuple[str, str], dict[str, Path]] = {}
    for path in nifti_files(root, "sub-*"):
        role = _role(path, root, aptw_suffix)
        entities = dict(_ENTITY.findall(stem(path)))
        if role is None or "sub" not in entities:
            continue
        taken = claims.setdefault((entities["sub"], entities.get("ses", "")), {})
        if role in taken:
            raise InputError(
                f"{path}: second file for {role} after {taken[role]}, expected one; a "
                "manifest can say which"
            )
        taken[role] = path
    subjects = tuple(
        _subject(root, sub, ses, files) for (sub, ses), files in sorted(claims.items())
    )
    return Found("bids", subjects, _label_table(root), common_space=False)


def _role(path: Path, root: Path, aptw_suffix: str) -> str | None:
    """What a file is for, from its entities, suffix and place."""
    entities = dict(_ENTITY.findall(stem(path)))
    suffix = stem(path).rsplit("_", 1)[-1]
    if "derivatives" in path.relative_to(root).parts:
        tissue = entities.get("label")
        if suffix == "probseg" and tissue in TISSUES:
            return tissue
        if suffix == "mask" and "brain" in (entities.get("desc"), tissue):
            return BRAIN_ROLE
        return LABELS_ROLE if suffix == "dseg" else None
    if suffix == "T1w":
        return "Gd-T1w" if "ce" in entities else "T1w"
    if suffix in ("T2w", "FLAIR"):
        return suffix
    names = {aptw_suffix: "APTw", f"{aptw_suffix}ref": companion("APTw")}
    return names.get(suffix)


def _subject(root: Path, sub: str, ses: str, files: Mapping[str, Path]) -> RawSubject:
    name = f"sub-{sub}" + (f"_ses-{ses}" if ses else "")
    folder = root / f"sub-{sub}" / (f"ses-{ses}" if ses else "") / "anat"
    suffixes = {
        "T1w": "T1w",
        "Gd-T1w": "ce-gadolinium_T1w",
        "T2w": "T2w",
        "FLAIR": "FLAIR",
        "APTw": "APTw",
    }
    expected = {role: folder / f"{name}_{s}.nii.gz" for role, s in suffixes.items()}
    derived = root / "derivatives" / "masks" / folder.relative_to(root)
    expected[LABELS_ROLE] = derived / f"{name}_dseg.nii.gz"
    return RawSubject(name, f"sub-{sub}", files, expected)


def _label_table(root: Path) -> Mapping[int, int] | str:
    """Values -> codes by the ``dseg.tsv`` files; the paper's own codes without one."""
    mapping: dict[int, int] = {}
    for path in sorted(root.rglob("*dseg.tsv")):
        for value, code in _read_table(path).items():
            if mapping.setdefault(value, code) != code:
                raise InputError(
                    f"{path}: value {value} means another label than in the other "
                    "tables, expected the same"
                )
    return mapping or "samr"


def _read_table(path: Path) -> dict[int, int]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as a table ({error})") from error
    if not rows or not {"index", "name"} <= set(rows[0]):
        raise InputError(f"{path}: expected a table with columns index and name")
    return {_index(path, row["index"]): _code(path, row["name"]) for row in rows}


def _index(path: Path, text: str | None) -> int:
    if not (text or "").strip().isdecimal():
        raise InputError(f"{path}: index {text!r}, expected a whole number")
    return int(text)


def _code(path: Path, name: str | None) -> int:
    words = re.findall(r"[a-z]+", (name or "").lower().replace("non-", "non"))
    # "Non-enhancing tumor core" is the paper's cavity; so it goes first.
    if any(word.startswith(("nonenhancing", "necro")) for word in words):
        return CAVITY
    for code, known in _NAMES.items():
        if any(
            w == k or (len(k) > 3 and w.startswith(k)) for w in words for k in known
        ):
            return code
    raise InputError(
        f"{path}: label name {name!r} is not understood, expected one such as edema, "
        "cavity or tumor; --labels can say it"
    )
