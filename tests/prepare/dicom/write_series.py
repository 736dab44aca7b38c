"""DICOM series from a volume and its affine, with identifiers wherever they fit."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
ROOT_UID = "1.2.826.0.1.3680043.8.498.777"

IDENTIFIERS = (
    b"smith",
    b"mrn4711",
    b"19400102",
    b"19960909",
    b"101112",
    b"hospital",
    b"1.2.826.0.1.3680043",
)
"""Parts of everything that `write_series` writes about the patient, lower case."""


def write_series(
    folder,
    volume,
    affine,
    *,
    patient=0,
    study=1,
    number=1,
    words="t1 se tra",
    missing=(),
    name="",
    **parameters,
):
    """Writes a slice a file.

    Args:
      folder: is made when missing.
      volume: ``(X, Y, Z)`` int16; the slices are ``volume[:, :, k]``.
      affine: 4 x 4, voxels to RAS+ millimetres.
      patient, study, number: of patient, study and series.
      words: of the description, after the patient's name.
      missing: slices that are not written.
      name: beginning of the files' names.
      **parameters: further elements of the header, by keyword.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(volume.shape[2]):
        if k in missing:
            continue
        dataset = _header(patient, study, number, words, k)
        _place(dataset, affine, k)
        _pixels(dataset, volume[:, :, k])
        for keyword, value in parameters.items():
            setattr(dataset, keyword, value)
        _save(dataset, folder / f"{name}SMITH_{number}_{k:03d}.dcm")


def write_enhanced(folder, volume, affine, *, words, **parameters):
    """Writes one file of many frames, as scanners of today do."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = _header(0, 1, 1, words, 0)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ENHANCED_MR
    frames = []
    for k in range(volume.shape[2]):
        place = Dataset()
        _place(place, affine, k)
        frame, position, content = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = place.ImagePositionPatient
        frame.PlanePositionSequence = Sequence([position])
        content.DimensionIndexValues = [1, k + 1]
        content.InStackPositionNumber = k + 1
        content.StackID = "1"
        frame.FrameContentSequence = Sequence([content])
        frames.append(frame)
    shared, plane, size, echo = Dataset(), Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = place.ImageOrientationPatient
    size.PixelSpacing = place.PixelSpacing
    size.SliceThickness = place.SliceThickness
    size.SpacingBetweenSlices = place.SpacingBetweenSlices
    echo.EffectiveEchoTime = parameters.pop("EchoTime")
    timing = Dataset()
    timing.RepetitionTime = parameters.pop("RepetitionTime")
    shared.PlaneOrientationSequence = Sequence([plane])
    shared.PixelMeasuresSequence = Sequence([size])
    shared.MREchoSequence = Sequence([echo])
    shared.MRTimingAndRelatedParametersSequence = Sequence([timing])
    _pixels(dataset, volume[:, :, 0])
    dataset.PixelData = np.transpose(volume, (2, 1, 0)).astype("<i2").tobytes()
    dataset.NumberOfFrames = volume.shape[2]
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    _save(dataset, folder / "SMITH.dcm")


def _header(patient, study, number, words, k):
    """A header in which the patient is named by everything that can name one."""
    series = f"{ROOT_UID}.{patient}.{study}.{number}"
    name = f"SMITH{patient}"
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MR
    dataset.SOPInstanceUID = f"{series}.{k}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID = f"{ROOT_UID}.{patient}.{study}"
    dataset.SeriesInstanceUID = series
    dataset.FrameOfReferenceUID = f"{ROOT_UID}.{patient}.{study}.9"
    dataset.PatientName, dataset.PatientID = f"{name}^JOHN", f"MRN4711{patient}"
    dataset.PatientBirthDate, dataset.PatientSex = "19400102", "M"
    for keyword in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{keyword}Date", f"199609{study:02d}")
        setattr(dataset, f"{keyword}Time", "101112.5")
    dataset.StudyDate = "19960909"
    dataset.StudyTime = f"{study:02d}1112"
    dataset.AccessionNumber = dataset.StudyID = f"MRN4711{patient}"
    dataset.InstitutionName = dataset.StationName = "HOSPITAL"
    for keyword in ("ReferringPhysicianName", "OperatorsName"):
        setattr(dataset, keyword, f"DR {name}")
    for keyword in ("PatientComments", "ImageComments", "StudyDescription"):
        setattr(dataset, keyword, f"{name} 19960909")
    dataset.SeriesDescription = f"{name} 19960909 {words}"
    dataset.ProtocolName = f"{name} {words}"
    dataset.SequenceName = name
    dataset.DeviceSerialNumber = "MRN4711"
    dataset.Modality, dataset.Manufacturer = "MR", "SIEMENS"
    dataset.MagneticFieldStrength = 1.5
    dataset.ScanningSequence, dataset.MRAcquisitionType = "SE", "2D"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.SeriesNumber, dataset.InstanceNumber = number, k + 1
    block = dataset.private_block(0x0029, name, create=True)
    block.add_new(0x01, "LO", f"{name} 19960909")
    return dataset


def _place(dataset, affine, k):
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    directions = (lps[:3, :3] / spacing).T
    dataset.ImageOrientationPatient = [f"{v:.8f}" for v in directions[:2].ravel()]
    dataset.ImagePositionPatient = [f"{v:.6f}" for v in (lps @ [0, 0, k, 1])[:3]]
    dataset.PixelSpacing = [f"{spacing[1]:.6f}", f"{spacing[0]:.6f}"]
    dataset.SliceThickness = f"{0.8 * spacing[2]:.6f}"
    dataset.SpacingBetweenSlices = f"{spacing[2]:.6f}"


def _pixels(dataset, image):
    dataset.Rows, dataset.Columns = image.shape[1], image.shape[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.PixelData = image.T.astype("<i2").tobytes()


def _save(dataset, path):
    dataset.save_as(path, enforce_file_format=True)
