"""Puts DICOM files together to series and studies, and leaves the identifiers behind.

Patients and studies get running numbers. A series has its scanner's number, those words
of its description that name sequences, and a hash by which it is found again.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from samr_jax.prepare.dicom.geometry import Geometry, volume_of
from samr_jax.prepare.dicom.headers import Header, read_header
from samr_jax.prepare.dicom.words import known_words
from samr_jax.prepare.find.raw import dicom_files, is_dicom
from samr_jax.runtime.progress import progress

_LARGEST_NUMBER = 9999
"""Series with a larger number count as unnumbered: a number could be a date."""


@dataclasses.dataclass(frozen=True)
class Series:
    """The images of one series that share their echo time.

    Attributes:
      key: a hash of the series' identifier, the same in every run.
      number: the scanner's number; 0 if there is none.
      files: the files, whose names may hold identifiers.
      description: the known words of the description, separated by blanks.
      text: the whole description, which is never shown.
      mr: whether these are MR images.
      image_type: such as ``("ORIGINAL", "PRIMARY", "M")``, never shown as a whole.
      burned_in: whether text may be burned into the images.
      gradient_echo: whether the scan is a gradient echo.
      echo_time, repetition_time, inversion_time: in milliseconds, or None.
      contrast: whether the header names a contrast agent.
      diffusion: whether the images are weighted by diffusion.
      volume: the geometry, or one line that says why the images are not one volume.
    """

    key: str
    number: int
    files: tuple[Path, ...]
    description: str
    text: str
    mr: bool
    image_type: tuple[str, ...]
    burned_in: bool
    gradient_echo: bool
    echo_time: float | None
    repetition_time: float | None
    inversion_time: float | None
    contrast: bool
    diffusion: bool
    volume: Geometry | str

    def __str__(self) -> str:
        words = f" ({self.description})" if self.description else ""
        return f"series {self.number or 'without number'}{words}"


@dataclasses.dataclass(frozen=True)
class Study:
    """All series of one examination.

    Attributes:
      name: running number of patient and study.
      patient: running number of the patient.
      folder: the folder that holds all files; its name may hold identifiers.
      series: sorted by the scanner's number.
    """

    name: str
    patient: str
    folder: Path
    series: tuple[Series, ...]


def read_studies(root: Path) -> tuple[tuple[Study, ...], int]:
    """Reads all DICOM files of a folder.

    Returns:
      The studies, and the number of DICOM files that hold no image or are damaged.
    """
    paths = [path for path in dicom_files(root) if is_dicom(path)]
    found: dict[tuple[str, str], Header] = {}
    unreadable = 0
    with progress(len(paths), "reading headers") as shown:
        for path in paths:
            header = read_header(path)
            if header is None:
                unreadable += 1
            else:
                # An export may hold an image twice.
                found.setdefault((header.series, header.image or str(path)), header)
            shown.update()
    return _studies(found.values()), unreadable


def _studies(headers: Iterable[Header]) -> tuple[Study, ...]:
    patients: dict[str, dict[tuple[str, str], list[Header]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for header in headers:
        patients[header.patient][header.study_time, header.study].append(header)
    studies = []
    for i, patient in enumerate(sorted(patients), start=1):
        for j, study in enumerate(sorted(patients[patient]), start=1):
            name, members = f"patient-{i:04d}", patients[patient][study]
            series = _series(members)
            folder = common_folder([header.path for header in members])
            studies.append(Study(f"{name}_study-{j:02d}", name, folder, series))
    return tuple(studies)


def common_folder(paths: Sequence[Path]) -> Path:
    """The lowest folder that holds all paths."""
    folder = paths[0].parent
    while not all(path.is_relative_to(folder) for path in paths):
        folder = folder.parent
    return folder


def _series(headers: Sequence[Header]) -> tuple[Series, ...]:
    """The series of a study; each echo time is a series of its own."""
    groups: dict[tuple[str, float], list[Header]] = defaultdict(list)
    for header in headers:
        groups[header.series, round(header.echo_time or 0, 1)].append(header)
    series = [_one_series(key, members) for key, members in groups.items()]
    return tuple(sorted(series, key=lambda one: (one.number, one.echo_time or 0)))


def _one_series(key: tuple[str, float], headers: Sequence[Header]) -> Series:
    first = headers[0]
    digest = hashlib.sha256(f"{key[0]} {key[1]}".encode()).hexdigest()
    return Series(
        key=digest[:12],
        number=first.number if 0 < first.number <= _LARGEST_NUMBER else 0,
        files=tuple(header.path for header in headers),
        description=known_words(first.description),
        text=first.description,
        mr=all(header.mr for header in headers),
        image_type=first.image_type,
        burned_in=any(header.burned_in for header in headers),
        gradient_echo=first.gradient_echo,
        echo_time=first.echo_time,
        repetition_time=first.repetition_time,
        inversion_time=first.inversion_time,
        contrast=any(header.contrast for header in headers),
        diffusion=any(header.diffusion for header in headers),
        volume=volume_of(headers),
    )
