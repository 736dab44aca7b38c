"""Mutants that once went wrong, as small files that the tests replay."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from tests.fuzz.guard import Mutant

FOLDER = Path(__file__).parent / "corpus"

LARGEST = 2**16
"""Bytes of the largest mutant that is kept; the repository stays small."""


def known(target: str) -> list[Mutant]:
    """The mutants of a target, in a fixed order."""
    return [_read(path) for path in sorted((FOLDER / target).glob("*.json"))]


def keep(target: str, mutant: Mutant, failure: str) -> Path | None:
    """Writes a mutant into the corpus.

    Args:
      target: name of the target.
      mutant: the mutant.
      failure: what was wrong, for people.

    Returns:
      The file; None if the mutant is too large to be kept.
    """
    if len(mutant.content) > LARGEST:
        return None
    try:
        content = {"text": mutant.content.decode()}
    except UnicodeDecodeError:
        content = {"base64": base64.b64encode(mutant.content).decode()}
    name = hashlib.sha256(mutant.place.encode() + b"\0" + mutant.content).hexdigest()
    path = FOLDER / target / f"{name[:12]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"failure": failure, "place": mutant.place, **content}
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def _read(path: Path) -> Mutant:
    record = json.loads(path.read_text())
    if "text" in record:
        return Mutant(record["place"], record["text"].encode())
    return Mutant(record["place"], base64.b64decode(record["base64"]))
