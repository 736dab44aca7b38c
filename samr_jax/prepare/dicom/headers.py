"""The header of one DICOM file, as far as preparation needs it.

A `Header` holds identifiers: the patient, the study, the series and the image. They
serve to put files together and go no further than `samr_jax.prepare.dicom.series`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.runtime.errors import InputError

_IDENTITY = (
    "SOPClassUID",
    "SOPInstanceUID",
    "PatientID",
    "PatientName",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "SeriesInstanceUID",
)
_CONTENT = (
    "SeriesNumber",
    "SeriesDescription",
    "ProtocolName",
    "ImageType",
    "BurnedInAnnotation",
    "ScanningSequence",
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "ContrastBolusAgent",
    "ContrastBolusAgentSequence",
    "DiffusionBValue",
    "Rows",
    "Columns",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)

MR_CLASSES = ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1")
"""SOP classes of MR images: one slice a file, and many frames a file."""

_NO_AGENT = {"", "no", "none", "n", "0", "without", "unenhanced", "native"}

_ABSENT = (
    AttributeError,
    IndexError,
    NotImplementedError,
    OverflowError,
    TypeError,
    ValueError,
)
"""What pydicom and our conversions raise for values that break the standard."""


@dataclasses.dataclass(frozen=True)
class Header:
    """One file. Times are in milliseconds; None and "" stand for a missing value.

    Attributes:
      path: the file.
      patient: identifier of the patient; the study's where there is none.
      study: identifier of the study.
      study_time: date and time of the study, as text that sorts.
      series: identifier of the series.
      image: identifier of the image.
      mr: whether the file is an MR image.
      number: the scanner's number of the series.
      description: description of the series, else name of the protocol, lower case.
      image_type: such as ``("ORIGINAL", "PRIMARY", "M")``.
      burned_in: whether text may be burned into the image.
      gradient_echo: whether the scan is a gradient echo.
      echo_time, repetition_time, inversion_time: of the sequence.
      contrast: whether the header names a contrast agent.
      diffusion: whether the image is weighted by diffusion.
      shape: rows and columns.
      spacing: millimetres between rows and between columns.
      positions: ``(F, 3)``, the first voxel of each frame in LPS+ millimetres.
      orientations: ``(F, 6)``, the directions of rows and columns.
    """

    path: Path
    patient: str
    study: str
    study_time: str
    series: str
    image: str
    mr: bool
    number: int
    description: str
    image_type: tuple[str, ...]
    burned_in: bool
    gradient_echo: bool
    echo_time: float | None
    repetition_time: float | None
    inversion_time: float | None
    contrast: bool
    diffusion: bool
    shape: tuple[int, int]
    spacing: tuple[float, float]
    positions: np.ndarray
    orientations: np.ndarray


def check_pydicom() -> None:
    """Raises an `InputError` if pydicom is not installed."""
    try:
        import pydicom  # noqa: F401
    except ImportError:
        raise InputError(
            "pydicom is not installed, expected it for DICOM files: "
            "pip install 'samr-jax[dicom]'"
        ) from None


def read_header(path: Path) -> Header | None:
    """Reads the header of a DICOM file; None if it holds no image or is damaged."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    with _silent():
        try:
            dataset = pydicom.dcmread(
                path, stop_before_pixels=True, specific_tags=[*_IDENTITY, *_CONTENT]
            )
            header = _header(path, dataset)
            return header if header.study and header.series else None
        # A damaged header raises anything, and the message may quote the header.
        except (InvalidDicomError, OSError, EOFError, KeyError, *_ABSENT):
            return None


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keeps pydicom from quoting the values of a header in warnings and logs."""
    from pydicom import config

    log = logging.getLogger("pydicom")
    level, mode = log.level, config.settings.reading_validation_mode
    try:
        log.setLevel(logging.CRITICAL + 1)
        config.settings.reading_validation_mode = config.IGNORE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
        config.settings.reading_validation_mode = mode


def _header(path: Path, dataset: Any) -> Header:
    study = _text(dataset, "StudyInstanceUID")
    names = (_text(dataset, key) for key in ("PatientID", "PatientName"))
    # The protocol's name may be that of the whole examination.
    described = (_text(dataset, key) for key in ("SeriesDescription", "ProtocolName"))
    agent = _text(dataset, "ContrastBolusAgent").lower()
    frames = range(max(1, len(dataset.get("PerFrameFunctionalGroupsSequence") or ())))
    return Header(
        path=path,
        patient=next(filter(None, names), study),
        study=study,
        study_time=_text(dataset, "StudyDate") + _text(dataset, "StudyTime"),
        series=_text(dataset, "SeriesInstanceUID"),
        image=_text(dataset, "SOPInstanceUID"),
        mr=_text(dataset, "SOPClassUID") in MR_CLASSES,
        number=int(_number(dataset, "SeriesNumber") or 0),
        description=next(filter(None, described), "").lower(),
        image_type=tuple(str(part).upper() for part in dataset.get("ImageType") or ()),
        burned_in=_text(dataset, "BurnedInAnnotation").upper() == "YES",
        gradient_echo="GR" in str(dataset.get("ScanningSequence", "")),
        echo_time=_number(dataset, "EchoTime", "EffectiveEchoTime"),
        repetition_time=_number(dataset, "RepetitionTime"),
        inversion_time=_number(dataset, "InversionTime", "InversionTimes"),
        contrast=agent not in _NO_AGENT
        or bool(dataset.get("ContrastBolusAgentSequence")),
        diffusion=(_number(dataset, "DiffusionBValue") or 0) > 0,
        shape=(int(dataset.get("Rows", 0)), int(dataset.get("Columns", 0))),
        spacing=_spacing(dataset),
        positions=_vectors(dataset, "ImagePositionPatient", 3, frames),
        orientations=_vectors(dataset, "ImageOrientationPatient", 6, frames),
    )


def _places(dataset: Any, frame: int) -> Iterator[Any]:
    """The parts of a file that may hold a value of a frame."""
    yield dataset
    groups = (
        ("PerFrameFunctionalGroupsSequence", frame),
        ("SharedFunctionalGroupsSequence", 0),
    )
    for name, index in groups:
        items = dataset.get(name) or ()
        if index < len(items):
            nested = (element for element in items[index] if element.VR == "SQ")
            yield from (element.value[0] for element in nested if element.value)


def _value(dataset: Any, frame: int, *keywords: str) -> Any:
    """The first value of a frame that is there, under any of the names."""
    for place in _places(dataset, frame):
        for keyword in keywords:
            found = place.get(keyword)
            if found is not None and found != "":
                return found
    return None


def _text(dataset: Any, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip()


def _number(dataset: Any, *keywords: str) -> float | None:
    """A number that is not 0, or None."""
    try:
        found = _value(dataset, 0, *keywords)
        found = found if isinstance(found, (str, int, float)) else found[0]
        number = float(found)
    except _ABSENT:
        return None
    return number if np.isfinite(number) and number != 0 else None


def _spacing(dataset: Any) -> tuple[float, float]:
    found = _value(dataset, 0, "PixelSpacing")
    return (0.0, 0.0) if found is None else (float(found[0]), float(found[1]))


def _vectors(dataset: Any, keyword: str, length: int, frames: range) -> np.ndarray:
    """A vector of each frame ``(F, length)``; ``(0, length)`` if one is missing."""
    found = [_value(dataset, frame, keyword) for frame in frames]
    if any(value is None or len(value) != length for value in found):
        return np.empty((0, length))
    return np.array([[float(number) for number in value] for value in found])
