"""Folders of DICOM series: what is used, what is refused, and who learns what."""

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from samr_jax.data.nifti import read_volume, write_volume
from samr_jax.prepare import pipeline
from samr_jax.prepare.dicom.choice import choose
from samr_jax.prepare.dicom.find_dicom import find_dicom
from samr_jax.prepare.dicom.series import read_studies
from samr_jax.prepare.find.layouts import find_subjects, holds_dicom
from samr_jax.prepare.grids import Target
from samr_jax.prepare.options import Steps
from samr_jax.prepare.subject.register import rotation
from samr_jax.runtime.errors import InputError

pytest.importorskip("dcm2niix")
pytest.importorskip("pydicom")

from tests.prepare.dicom.write_series import IDENTIFIERS, write_series

SHAPE = (28, 32, 24)
AFFINE = np.array([[-1.0, 0, 0, 14], [0, -1, 0, 31], [0, 0, 2, 3], [0, 0, 0, 1]])
T1 = {"EchoTime": 15, "RepetitionTime": 500}
T2 = {"EchoTime": 100, "RepetitionTime": 4000}
FLAIR = {**T2, "InversionTime": 2200}


def brain(seed):
    """A stripped brain of noise, int16."""
    middle = (np.array(SHAPE) - 1)[:, None, None, None] / 2
    x, y, z = np.indices(SHAPE) - middle
    inside = (x / 11) ** 2 + (y / 13) ** 2 + (z / 9) ** 2 < 1
    noise = np.random.default_rng(seed).integers(100, 1000, SHAPE)
    return (inside * noise).astype(np.int16)


def find(root, work, lines=None, table=None):
    log = (lambda _: None) if lines is None else lines.append
    return find_dicom(root, work, table=table, log=log, workers=1)


def table_of(work):
    with (work / "series.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """Two studies of one patient, as a picture archive gives them."""
    root = tmp_path_factory.mktemp("export")
    folder = root / "SMITH0" / "19960909"
    for number, (words, times) in enumerate(
        [
            ("localizer", T1),
            ("t1 se tra", T1),
            ("t2 tse tra", T2),
            ("t1 se tra gd", T1),
            ("ep2d diff adc", T2),
        ],
        start=1,
    ):
        write_series(folder, brain(number), AFFINE, number=number, words=words, **times)
    # Finer than series 2, whose sequence it is.
    fine = AFFINE @ np.diag([0.5, 0.5, 1, 1])
    write_series(folder, brain(6), fine, number=6, words="t1 mprage", **T1)
    later = root / "SMITH0" / "later"
    write_series(later, brain(7), AFFINE, study=2, words="t1 se", **T1)
    write_series(
        later,
        brain(8),
        AFFINE,
        study=2,
        number=2,
        words="t2 tse",
        missing=(9,),
        **T2,
    )
    write_series(
        later, brain(8)[:, :, :3], AFFINE, study=2, number=3, words="flair", **T2
    )
    return root


@pytest.fixture(scope="module")
def first(export, tmp_path_factory):
    """What is found in the export, the folder of the work, and what was logged."""
    work, lines = tmp_path_factory.mktemp("work"), []
    return find(export, work, lines), work, lines


def test_each_study_is_a_subject_and_each_sequence_the_best_series(first):
    found, work, lines = first
    assert [raw.name for raw in found.subjects] == [
        "patient-0001_study-01",
        "patient-0001_study-02",
    ]
    assert {raw.patient for raw in found.subjects} == {"patient-0001"}
    first, second = found.subjects
    assert set(first.files) == {"T1w", "Gd-T1w", "T2w"}
    assert read_volume(first.file("T1w")).spacing == pytest.approx((0.5, 0.5, 2))
    assert set(second.files) == {"T1w"}
    rows = {row["series"]: row for row in table_of(work)[:6]}
    assert [rows[str(i)]["sequence"] for i in range(1, 7)] == [
        *("-", "-", "T2w", "Gd-T1w", "-", "T1w")
    ]
    assert rows["2"]["reason"].endswith("but series 6 (* t1 mprage) is preferred")
    assert rows["1"]["reason"] == "localiser"
    assert (rows["3"]["TE_ms"], rows["3"]["TR_ms"]) == ("100", "4000")
    assert rows["6"]["voxels"] == "28 x 32 x 24"
    assert rows["6"]["size_mm"] == "0.5 x 0.5 x 2"
    assert lines[0].startswith("patient-0001_study-01: ")
    assert lines[0].endswith("; 3 series not used")


def test_a_missing_slice_and_too_few_slices_are_told_in_one_line(first):
    lines = first[2]
    start = "patient-0001_study-02, series"
    told = [line for line in lines if line.startswith(start)]
    assert told == [
        f"{start} 2 (* t2 tse), T2w: slices 2.00 to 4.00 mm apart, expected "
        "equal distances: a slice may be missing",
        f"{start} 3 (* flair), FLAIR: 3 slices, expected 10 or more",
    ]


def test_the_table_is_obeyed_when_it_comes_back(first, export, tmp_path):
    rows = (first[1] / "series.tsv").read_text().splitlines()
    rows[2] = rows[2].replace("\t-\t", "\tT1w\t")  # series 2
    rows[6] = rows[6].replace("\tT1w\t", "\t-\t")  # series 6
    rows[5] = rows[5].replace("\t-\t", "\tADC\t")
    corrected = tmp_path / "mine.tsv"
    corrected.write_text("\n".join(rows))
    found = find(export, tmp_path, table=corrected)
    assert set(found.subjects[0].files) == {"T1w", "Gd-T1w", "T2w", "ADC"}
    volume = read_volume(found.subjects[0].file("T1w"))
    assert volume.spacing == pytest.approx((1, 1, 2))
    # dcm2niix stores rows from posterior to anterior.
    np.testing.assert_array_equal(volume.data[:, ::-1], brain(2))
    assert "the table says so" in (tmp_path / "series.tsv").read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace("\t-\t", "\tT2w\t"), "4 series of .*01 are T2w, expected"),
        (lambda t: t.replace("\tT2w\t", "\t\t"), "line 4: sequence is empty"),
        (lambda t: t.replace("\tT2w\t", "\t../x\t"), "line 4: name '../x'"),
        (lambda t: t + t.splitlines()[1] + "\n", "line 11: key '.*' occurs twice"),
        (lambda t: "key\tsequence\nabc\tT1w\n", "1 of its keys are no series"),
        (lambda t: "a,b\n1,2\n", "expected a table with columns sequence and key"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(first, export, tmp_path, change, words):
    table = tmp_path / "mine.tsv"
    table.write_text(change((first[1] / "series.tsv").read_text()))
    with pytest.raises(InputError, match=f"mine.tsv: .*{words}"):
        find(export, tmp_path, table=table)


def test_faults_of_a_series_are_told_in_one_line(tmp_path):
    turned = rotation(0, 0.5) @ AFFINE
    root = tmp_path / "in"
    image = brain(1)
    write_series(root, image, AFFINE, number=1, words="t1 two orientations", **T1)
    write_series(root, image, turned, number=1, words="t1", name="b", **T1)
    write_series(root, image, AFFINE, number=2, words="t1 sizes", **T1)
    write_series(root, image[:20], AFFINE, number=2, words="t1", name="b", **T1)
    write_series(root, image, AFFINE, number=3, words="t1 twice", **T1)
    write_series(root, image, AFFINE, number=3, words="t1", name="b", **T1)
    burned = {**T2, "BurnedInAnnotation": "YES"}
    write_series(root, image, AFFINE, number=4, words="flair", **burned)
    first_echo = {**T2, "EchoTime": 20}
    write_series(root, image, AFFINE, number=5, words="PD t2", **T2)
    write_series(root, image, AFFINE, number=5, words="PD t2", name="b", **first_echo)
    _new_images(root, "b")
    lines = []
    found = find(root, tmp_path / "work", lines)
    text = "\n".join(lines)
    assert "series 1 (* t1 *), T1w: slices of several orientations" in text
    assert "series 2 (* t1 *), T1w: images of several sizes" in text
    assert "series 3 (* t1 *), T1w: 24 of 48 images lie at the height" in text
    # A dual echo is taken apart, and the later echo is the T2w scan.
    assert set(found.subjects[0].files) == {"T2w"}
    reasons = [row["reason"] for row in table_of(tmp_path / "work")]
    assert "text is burned into the images" in reasons
    assert "the description says T2w, but the echo time is 20 ms" in reasons


def _new_images(root, start):
    """Gives images identifiers of their own, which `write_series` repeats."""
    import pydicom

    for path in root.glob(f"{start}SMITH*"):
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID}.1"
        dataset.save_as(path)


def test_an_image_that_is_there_twice_counts_once(tmp_path):
    for name in ("", "copy"):
        write_series(tmp_path / "in", brain(1), AFFINE, name=name, **T1)
    found = find(tmp_path / "in", tmp_path / "work")
    assert read_volume(found.subjects[0].file("T1w")).data.shape == SHAPE


def test_links_to_the_folders_of_an_archive_are_followed(tmp_path):
    write_series(tmp_path / "archive/SMITH", brain(1), AFFINE, **T1)
    annotation = (brain(1) > 500).astype(np.uint8)
    write_volume(tmp_path / "archive/SMITH/lesion.nii.gz", annotation, AFFINE)
    root = tmp_path / "links"
    root.mkdir()
    (root / "patient").symlink_to(tmp_path / "archive/SMITH", target_is_directory=True)
    (root / "itself").symlink_to(root, target_is_directory=True)
    assert holds_dicom(root)
    (subject,) = find(root, tmp_path / "work").subjects
    assert set(subject.files) == {"T1w", "labels"}


def test_damaged_files_and_files_that_are_not_dicom_are_left_out(tmp_path):
    write_series(tmp_path / "in", brain(1), AFFINE, **T1)
    (tmp_path / "in" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"SMITH" * 9)
    (tmp_path / "in" / "SMITH.txt").write_text("SMITH")
    lines = []
    find(tmp_path / "in", tmp_path / "work", lines)
    assert lines[0].startswith("1 DICOM files are left out: damaged")


def test_files_of_many_kinds_do_not_stop_the_reader():
    """pydicom's own test files: damaged, compressed, of many classes and makers."""
    import pydicom

    studies, unreadable = read_studies(Path(pydicom.__file__).parent / "data")
    assert len(studies) > 20 and unreadable > 10
    assert not any(choose(study, {}).chosen for study in studies)


def test_a_folder_without_a_sequence_is_refused(tmp_path):
    write_series(tmp_path / "in", brain(1), AFFINE, words="localizer", **T1)
    with pytest.raises(InputError, match="no series of a known sequence among 1 stud"):
        find(tmp_path / "in", tmp_path / "work")


def test_folders_of_dicom_are_recognised(export, tmp_path):
    assert holds_dicom(export) and holds_dicom(export, "dicom")
    assert not holds_dicom(export, "bids") and not holds_dicom(tmp_path)
    with pytest.raises(InputError, match="layout dicom, expected"):
        find_subjects(export, "dicom")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Four patients, prepared; the lines that were printed; the folder."""
    folder = tmp_path_factory.mktemp("whole")
    for patient in range(4):
        place = folder / "raw" / f"SMITH{patient}"
        for number, (words, times) in enumerate(
            [
                ("t1 se", T1),
                ("t2 tse", T2),
                ("flair SMITH", {**T2, "InversionTime": 2200}),
            ],
            start=1,
        ):
            image = brain(10 * patient + number)
            write_series(
                place / f"1.2.826.0.1.3680043.{number}",
                image,
                AFFINE,
                patient=patient,
                number=number,
                words=words,
                ContrastBolusAgent="SMITH 19960909" if number == 3 else "",
                **times,
            )
        if patient < 3:
            mask = np.zeros(SHAPE, np.uint8)
            mask[10:16, 12:18, 8:14] = 2
            # As a viewer stores it that counts slices from the top.
            flipped = AFFINE @ np.diag([1, 1, -1, 1])
            flipped[:3, 3] = (AFFINE @ [0, 0, SHAPE[2] - 1, 1])[:3]
            write_volume(place / "SMITH_mask.nii.gz", mask[:, :, ::-1], flipped)
    lines = []
    steps = Steps(register="off", align="off", strip="off", bias="off", tissue="off")
    made = pipeline.prepare(
        folder / "raw",
        folder / "out",
        steps=steps,
        target=Target(size=32, slice_spacing=4.0),
        labels="2:edema",
        workers=1,
        log=lines.append,
    )
    return made, folder, lines


def test_a_dataset_comes_out_of_dicom(dataset):
    made, _, lines = dataset
    assert made.sequences == ("T1w", "T2w", "FLAIR")
    assert sum(map(len, made.splits.values())) == 3
    assert made.patients["sub-0002_ses-01"] == "sub-0002"
    wanted = "labels is missing, expected one NIfTI file in the folder of patient-0004"
    assert any(wanted in line for line in lines)
    train = made.split("train")
    edema = sum(np.count_nonzero(train[i]["labels"] == 2) for i in range(len(train)))
    # Of 6 x 6 x 6 voxels of 2 mm3 there are 432 mm3, on voxels of 4 mm3, by majority.
    assert edema / len(made.splits["train"]) == pytest.approx(108, abs=40)


def test_identifiers_never_leave_the_reader(dataset):
    """In no file and no line, compressed or not; folders are named in one file."""
    _, folder, lines = dataset
    text = "\n".join(lines).lower().encode()
    assert not [word for word in IDENTIFIERS if word in text]
    files = [
        path
        for name in ("out", "out.work")
        for path in (folder / name).rglob("*")
        if path.is_file()
    ]
    assert len(files) > 30
    for path in files:
        if path.name == "folders.csv":
            continue
        place = str(path.relative_to(folder)).lower().encode()
        for word in IDENTIFIERS:
            assert word not in place
            assert not any(word in part.lower() for part in contents(path)), path


def contents(path):
    """The bytes of a file, and those that it holds in compressed form."""
    raw = path.read_bytes()
    yield raw
    if path.name.endswith(".gz"):
        yield gzip.decompress(raw)
    if path.suffix == ".npz":
        with np.load(io.BytesIO(raw)) as arrays:
            yield from (np.asarray(array).tobytes() for array in arrays.values())
            records = (a for a in arrays.values() if a.dtype.kind == "U")
            yield from (str(record).encode() for record in records)


def test_the_key_names_the_folder_of_a_study(dataset):
    _, folder, _ = dataset
    key = (folder / "out.work" / "dicom" / "folders.csv").read_text().splitlines()
    assert key[1] == "patient-0001_study-01,SMITH0"
