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
    files_under,
    nifti_files,
    stem,
)
from samr_jax.runtime.errors import InputError
from samr_jax.sequences import KNOWN

_MOST_DIGITS = 18
"""Characters of the largest index of a label."""

_ENTITY = re.compile(r"([a-z]+)-([A-Za-z0-9]+)")

_NAMES: Mapping[int, tuple[str, ...]] = {
    BACKGROUND: ("background",),
    NORMAL: ("normal", "brain", "healthy"),
    EDEMA: ("edema", "oedema", "snfh", "ed", "flair"),
    CAVITY: ("cavity", "necro", "ncr", "netc", "rc", "resection"),
    TUMOR: ("tumor", "tumour", "enhancing", "et"),
}
"""Beginnings of the words that ``dseg.tsv`` files use for each of our labels."""


def find_bids(root: Path, *, aptw_suffix: str = "APTw") -> Found:
    """Finds the subjects and sessions of a BIDS dataset.

    A T1w file with a contrast agent (``ce-``) is the Gd-T1w. BIDS has no suffix for
    APTw, so the user names it by `aptw_suffix`. The image that is registered instead of
    a map, such as the unsaturated image of APTw, has the map's suffix followed by
    ``ref``. The label map is the ``dseg`` file under ``derivatives``, and a
    ``dseg.tsv`` names its values.

    Raises:
      InputError: two files are the same scan of a subject, or a table cannot be read.
    """
    claims: dict[tuple[str, str], dict[str, Path]] = {}
    endings = {s.name: s.bids for s in KNOWN.values()} | {"APTw": aptw_suffix}
    for path in nifti_files(root, "sub-"):
        role = _role(path, root, endings)
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
        _subject(root, sub, ses, files, endings)
        for (sub, ses), files in sorted(claims.items())
    )
    return Found("bids", subjects, _label_table(root), common_space=False)


def _role(path: Path, root: Path, endings: Mapping[str, str]) -> str | None:
    """The role of a file, from its entities, its suffix and its folder."""
    entities = dict(_ENTITY.findall(stem(path)))
    suffix = stem(path).rsplit("_", 1)[-1]
    if "derivatives" in path.relative_to(root).parts:
        tissue = entities.get("label")
        if suffix == "probseg" and tissue in TISSUES:
            return tissue
        if suffix == "mask" and "brain" in (entities.get("desc"), tissue):
            return BRAIN_ROLE
        return LABELS_ROLE if suffix == "dseg" else None
    roles = {ending: name for name, ending in endings.items()}
    roles |= {
        f"{ending}ref": companion(name)
        for name, ending in endings.items()
        if not KNOWN[name].anatomic
    }
    if "ce" in entities and f"ce-gadolinium_{suffix}" in roles:
        return roles[f"ce-gadolinium_{suffix}"]
    return roles.get(suffix)


def _subject(
    root: Path,
    sub: str,
    ses: str,
    files: Mapping[str, Path],
    endings: Mapping[str, str],
) -> RawSubject:
    name = f"sub-{sub}" + (f"_ses-{ses}" if ses else "")
    folder = root / f"sub-{sub}" / (f"ses-{ses}" if ses else "") / "anat"
    expected = {key: folder / f"{name}_{end}.nii.gz" for key, end in endings.items()}
    derived = root / "derivatives" / "masks" / folder.relative_to(root)
    expected[LABELS_ROLE] = derived / f"{name}_dseg.nii.gz"
    return RawSubject(name, f"sub-{sub}", files, expected)


def _label_table(root: Path) -> Mapping[int, int] | str:
    """Value -> label code from the ``dseg.tsv`` files; the paper's codes if none."""
    mapping: dict[int, int] = {}
    tables = (p for p in files_under(root) if p.name.endswith("dseg.tsv"))
    for path in tables:
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
    if text is None or not text.strip().isdecimal() or len(text) > _MOST_DIGITS:
        raise InputError(f"{path}: index {text!r}, expected a whole number")
    return int(text)


def _code(path: Path, name: str | None) -> int:
    words = re.findall(r"[a-z]+", (name or "").lower().replace("non-", "non"))
    # "Non-enhancing tumor core" is the paper's cavity, although it also says tumor.
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
