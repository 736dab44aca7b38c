"""Layouts: which files belong to which subject."""

import pytest

from samr_jax.labels import CAVITY, EDEMA, TUMOR
from samr_jax.prepare.find.annotation import label_mapping
from samr_jax.prepare.find.layouts import find_subjects
from samr_jax.prepare.find.raw import BRAIN_ROLE, LABELS_ROLE
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick

BRATS = {"T1w", "Gd-T1w", "T2w", "FLAIR", LABELS_ROLE}


def _touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def _brats2021(root, name, suffixes=("t1", "t1ce", "t2", "flair", "seg")):
    _touch(root, *(f"{name}/{name}_{suffix}.nii.gz" for suffix in suffixes))


def _brats2023(root, name, suffixes=("t1n", "t1c", "t2w", "t2f", "seg")):
    _touch(root, *(f"{name}/{name}-{suffix}.nii.gz" for suffix in suffixes))


def test_brats2021_is_recognised(tmp_path):
    for name in ("BraTS2021_00002", "BraTS2021_00000"):
        _brats2021(tmp_path, name)
    found = find_subjects(tmp_path)
    assert (found.layout, found.labels) == ("brats2021", "brats2021")
    assert [s.name for s in found.subjects] == ["BraTS2021_00000", "BraTS2021_00002"]
    assert all(set(s.files) == BRATS for s in found.subjects)
    assert found.subjects[0].file("Gd-T1w").name == "BraTS2021_00000_t1ce.nii.gz"


def test_bare_names_take_the_folder_for_the_subject(tmp_path):
    _touch(tmp_path, *(f"p{i}/{s}.nii.gz" for i in (1, 2) for s in ("t1", "t2", "seg")))
    found = find_subjects(tmp_path)
    assert found.layout == "brats2021"
    assert [s.name for s in found.subjects] == ["p1", "p2"]
    assert set(found.subjects[0].files) == {"T1w", "T2w", LABELS_ROLE}


def test_brats2023_keeps_the_time_points_of_a_patient_together(tmp_path):
    for name in ("BraTS-GLI-00008-100", "BraTS-GLI-00008-101", "BraTS-GLI-00009-000"):
        _brats2023(tmp_path, name)
    found = find_subjects(tmp_path)
    assert found.layout == "brats2023"
    assert [s.patient for s in found.subjects] == [
        "BraTS-GLI-00008",
        "BraTS-GLI-00008",
        "BraTS-GLI-00009",
    ]


def test_missing_sequence_names_the_expected_file(tmp_path):
    _brats2021(tmp_path, "a", ("t1", "t2"))
    subject = find_subjects(tmp_path).subjects[0]
    with pytest.raises(InputError, match=r"^FLAIR is missing, .*a/a_flair.nii.gz"):
        subject.file("FLAIR")


def test_two_files_for_one_sequence_are_refused(tmp_path):
    _brats2021(tmp_path, "a")
    _touch(tmp_path, "a/a_t1.nii")
    with pytest.raises(InputError, match=r"second file for T1w of a"):
        find_subjects(tmp_path)


def test_two_folders_with_the_same_subject_are_refused(tmp_path):
    _brats2021(tmp_path / "site1", "a")
    _brats2021(tmp_path / "site2", "a")
    with pytest.raises(InputError, match=r"site2/a/.*second file.*site1/a/"):
        find_subjects(tmp_path)


def test_nothing_recognisable_is_said(tmp_path):
    _touch(tmp_path, "scan1.nii.gz", "readme.txt")
    with pytest.raises(InputError, match="no subjects of a known layout"):
        find_subjects(tmp_path)


def test_unknown_folder_and_layout_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_subjects(tmp_path / "none")
    with pytest.raises(InputError, match="layout 'folder' is unknown, expected auto"):
        find_subjects(tmp_path, "folder")


def test_label_maps():
    assert label_mapping("auto", auto="brats2021")[4] == TUMOR
    assert label_mapping("brats2021-necrosis-as-tumor", auto="brats2023")[1] == TUMOR
    custom = label_mapping("1:cavity, 7:edema", auto="brats2021")
    assert dict(custom) == {0: 0, 1: CAVITY, 7: EDEMA}
    with pytest.raises(InputError, match="'1:nothing', expected VALUE:NAME"):
        label_mapping("1:nothing", auto="brats2021")
    with pytest.raises(InputError, match="preset 'brats' is unknown"):
        label_mapping("brats", auto="brats2021")


def test_ucsf_prefers_what_it_corrected_and_knows_follow_ups(tmp_path):
    for name in ("UCSF-PDGM-0004", "UCSF-PDGM-0409_FU001d"):
        suffixes = ("T1", "T1_bias", "T1c_bias", "T2", "FLAIR", "tumor_segmentation")
        _touch(tmp_path, *(f"{name}_nifti/{name}_{s}.nii.gz" for s in suffixes))
        _touch(tmp_path, f"{name}_nifti/{name}_ADC.nii.gz")
    found = find_subjects(tmp_path)
    assert found.layout == "ucsf-pdgm" and not found.common_space
    first, second = found.subjects
    assert first.file("T1w").name == "UCSF-PDGM-0004_T1_bias.nii.gz"
    assert first.file("T2w").name == "UCSF-PDGM-0004_T2.nii.gz"
    assert set(first.files) == BRATS
    assert second.patient == "UCSF-PDGM-0409"


def test_upenn_joins_its_folders_and_prefers_the_corrected_labels(tmp_path):
    for visit in ("11", "21"):
        name = f"UPENN-GBM-00001_{visit}"
        scans = ("T1", "T1GD", "T2", "FLAIR")
        _touch(tmp_path, *(f"structural/{name}/{name}_{s}.nii.gz" for s in scans))
        _touch(tmp_path, f"automated/{name}_automated_approx_segm.nii.gz")
    _touch(tmp_path, "segm/UPENN-GBM-00001_11_segm.nii.gz")
    found = find_subjects(tmp_path)
    assert found.layout == "upenn-gbm"
    assert all(set(s.files) == BRATS for s in found.subjects)
    assert {s.patient for s in found.subjects} == {"UPENN-GBM-00001"}
    assert found.subjects[0].file(LABELS_ROLE).parent.name == "segm"
    assert found.subjects[1].file(LABELS_ROLE).parent.name == "automated"


def _bids(root, table):
    for session in ("01", "02"):
        base, name = f"sub-a1/ses-{session}/anat", f"sub-a1_ses-{session}"
        _touch(
            root,
            f"{base}/{name}_T1w.nii.gz",
            f"{base}/{name}_ce-gadolinium_T1w.nii.gz",
            f"{base}/{name}_FLAIR.nii.gz",
            f"{base}/{name}_cest.nii.gz",
            f"{base}/{name}_cestref.nii.gz",
            f"derivatives/lesions/{base}/{name}_dseg.nii.gz",
            f"derivatives/lesions/{base}/{name}_desc-brain_mask.nii.gz",
            f"derivatives/fmriprep/{base}/{name}_label-WM_probseg.nii.gz",
        )
    (root / "derivatives/lesions/dseg.tsv").write_text(table)


def test_bids(tmp_path):
    table = (
        "index\tname\n0\tBackground\n1\tNon-enhancing tumor core\n2\tPeritumoral "
        "edema\n3\tEnhancing tumor\n4\tResection cavity\n"
    )
    _bids(tmp_path, table)
    found = find_subjects(tmp_path, aptw_suffix="cest")
    assert found.layout == "bids"
    assert found.labels == {0: 0, 1: CAVITY, 2: EDEMA, 3: TUMOR, 4: CAVITY}
    assert [s.name for s in found.subjects] == ["sub-a1_ses-01", "sub-a1_ses-02"]
    assert {s.patient for s in found.subjects} == {"sub-a1"}
    roles = {"T1w", "Gd-T1w", "FLAIR", "APTw", "APTw-reference", LABELS_ROLE}
    assert set(found.subjects[0].files) == {*roles, BRAIN_ROLE, "WM"}
    with pytest.raises(InputError, match=r"T2w is missing, .*sub-a1_ses-01_T2w.nii.gz"):
        found.subjects[0].file("T2w")


def test_bids_with_two_candidates_or_an_unknown_label_is_refused(tmp_path):
    _bids(tmp_path, "index\tname\n1\tTumor\n")
    _touch(tmp_path, "sub-a1/ses-01/anat/sub-a1_ses-01_run-2_T1w.nii.gz")
    with pytest.raises(InputError, match=r"second file for T1w .* manifest can say"):
        find_subjects(tmp_path)
    (tmp_path / "sub-a1/ses-01/anat/sub-a1_ses-01_run-2_T1w.nii.gz").unlink()
    table = tmp_path / "derivatives/lesions/dseg.tsv"
    for content, words in (
        (b"index\tname\n1\tmystery\n", "label name 'mystery' is not understood"),
        (b"index\tname\none\tTumor\n", "index 'one', expected a whole number"),
        (b"index\tname\n%b\tTumor\n" % (b"9" * 5000), "index '999"),
        (b"index\tname\n1\n", "label name None is not understood"),
        (b"value\tmeaning\n1\tTumor\n", "expected a table with columns index and"),
        (b"\xff\xfe", "not readable as a table"),
    ):
        table.write_bytes(content)
        with pytest.raises(InputError, match=f"dseg.tsv: {words}"):
            find_subjects(tmp_path)


def _linked(root, archive):
    """A folder of links to the folders of an archive, with links that form loops."""
    root.mkdir()
    for folder in archive.iterdir():
        (root / folder.name).symlink_to(folder, target_is_directory=True)
        (folder / "archive").symlink_to(archive, target_is_directory=True)
    (root / "itself").symlink_to(root, target_is_directory=True)
    _touch(root, ".git/objects/x/x_t1.nii.gz")
    return root


@pytest.mark.parametrize(
    "make",
    [
        lambda root: [_brats2021(root, name) for name in ("a", "b")],
        lambda root: [_brats2023(root, name) for name in ("a-000", "a-001")],
        lambda root: _touch(root, "p1/t1.nii.gz", "p1/seg.nii.gz", "p2/t1.nii.gz"),
        lambda root: _bids(root, "index\tname\n7\tEdema\n"),
    ],
    ids=["brats2021", "brats2023", "bare", "bids"],
)
def test_links_to_folders_are_followed(tmp_path, make):
    archive = tmp_path / "archive"
    make(archive)
    expected = find_subjects(archive)
    root = _linked(tmp_path / "links", archive)
    found = find_subjects(root)
    assert (found.layout, found.labels) == (expected.layout, expected.labels)
    assert [s.name for s in found.subjects] == [s.name for s in expected.subjects]
    for subject, same in zip(found.subjects, expected.subjects, strict=True):
        places = {role: path.relative_to(root) for role, path in subject.files.items()}
        assert places == {r: p.relative_to(archive) for r, p in same.files.items()}


def test_a_link_to_a_folder_that_is_found_anyway_adds_no_subject(tmp_path):
    _touch(tmp_path, "raw/p1/t1.nii.gz", "raw/p1/seg.nii.gz")
    (tmp_path / "a").symlink_to(tmp_path / "raw/p1", target_is_directory=True)
    (tmp_path / "b").symlink_to(tmp_path / "raw", target_is_directory=True)
    (subject,) = find_subjects(tmp_path).subjects
    assert subject.file("T1w") == tmp_path / "raw/p1/t1.nii.gz"


def test_empty_folder_is_said(tmp_path):
    for layout in ("auto", "bids", "upenn-gbm"):
        with pytest.raises(InputError, match=f"{tmp_path}: no subjects of"):
            find_subjects(tmp_path, layout)
    with pytest.raises(InputError, match=r"manifest.csv: not readable as CSV"):
        find_subjects(tmp_path, "manifest")


def test_manifest(tmp_path):
    _touch(tmp_path, "x/one.nii", "x/seg.nii")
    path = tmp_path / "manifest.csv"
    path.write_text(
        "subject,patient,T1w,ADC,labels\nb,p,x/one.nii,,x/seg.nii\na,p,x/one.nii,,\n"
    )
    found = find_subjects(tmp_path)
    assert found.layout == "manifest"
    assert [(s.name, s.patient) for s in found.subjects] == [("a", "p"), ("b", "p")]
    assert found.subjects[1].file("T1w") == tmp_path / "x/one.nii"
    with pytest.raises(InputError, match=r"^labels is missing, .*line 3, column"):
        found.subjects[0].file(LABELS_ROLE)
    assert find_subjects(path).subjects == found.subjects


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subject,T1w\na,b\n", "0 columns 'labels', expected one"),
        ("subject;labels\na;b\n", "0 columns 'subject', expected one"),
        ("subject,labels,T1w,T1w\na,b,c,d\n", "2 columns 'T1w', expected one"),
        ("subject,labels\na,b\na,c\n", "line 3: subject 'a' occurs twice"),
        ("subject,labels\n,b\n", "line 2: subject is empty"),
        ("subject,labels\n", "no subjects of layout manifest"),
    ],
)
def test_bad_manifest_is_refused(tmp_path, text, words):
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        find_subjects(tmp_path)
