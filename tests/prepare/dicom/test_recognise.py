"""Which sequence a description, a contrast agent and the parameters name."""

import pytest

from samr_jax.prepare.dicom.recognise import recognise
from samr_jax.prepare.dicom.series import Series
from samr_jax.prepare.dicom.words import known_words

pytestmark = pytest.mark.quick


def series(text, echo=None, repetition=None, inversion=None, **changes):
    fields = {
        "key": "0",
        "number": 1,
        "files": (),
        "description": known_words(text),
        "text": text.lower(),
        "mr": True,
        "image_type": ("ORIGINAL", "PRIMARY"),
        "burned_in": False,
        "gradient_echo": False,
        "echo_time": echo,
        "repetition_time": repetition,
        "inversion_time": inversion,
        "contrast": False,
        "diffusion": False,
        "volume": "",
    }
    return Series(**{**fields, **changes})


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("AX T1 SE", "T1w"),
        ("t1_mprage_sag_p2_iso", "T1w"),
        ("sT1W_3D_TFE", "T1w"),
        ("T1 FLAIR AX", "T1w"),
        ("AX 3D FSPGR", "T1w"),
        ("AX T1+C", "Gd-T1w"),
        ("AX T1 C+", "Gd-T1w"),
        ("t1_tse_tra_GD", "Gd-T1w"),
        ("AX T1 POST", "Gd-T1w"),
        ("T1WCE", "Gd-T1w"),
        ("t1 tra ohne KM", "T1w"),
        ("AX T1 W/O GD", "T1w"),
        ("AX T2 FSE", "T2w"),
        ("T2W_TSE", "T2w"),
        ("AX T2 FSE +C", "T2w"),
        ("AX FLAIR", "FLAIR"),
        ("T2FLAIR", "FLAIR"),
        ("t2_tirm_tra_dark-fluid_3mm", "FLAIR"),
    ],
)
def test_descriptions_of_three_vendors(text, role):
    assert recognise(series(text)) == (role, f"the description says {role}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("3-plane loc", "localiser"),
        ("ep2d_diff_trace", "diffusion"),
        ("ADC", "diffusion"),
        ("AX T2* GRE", "susceptibility"),
        ("ep2d_perf", "diffusion"),
        ("T1 SUB", "reformatted or computed"),
        ("SAG MPR T1", "reformatted or computed"),
        ("T1 MAP", "map"),
        ("T2 CSPINE", "another part of the body"),
        ("3D TOF", "vessels"),
        ("something", "neither description nor parameters name a sequence"),
    ],
)
def test_other_series_are_not_used(text, reason):
    assert recognise(series(text)) == (None, reason)


@pytest.mark.parametrize(
    ("times", "role"),
    [
        ((12, 500), "T1w"),
        ((3, 2000, 900), "T1w"),
        ((100, 4000), "T2w"),
        ((120, 9000, 2500), "FLAIR"),
        ((20, 3000), None),
    ],
)
def test_parameters_decide_where_the_description_is_silent(times, role):
    found, reason = recognise(series("scan 7", *times))
    assert found == role
    assert role is None or reason == f"TE, TR and TI say {role}"


def test_parameters_overrule_words_that_cannot_be_right():
    words = "the description says T2w, but the echo time is 20 ms"
    assert recognise(series("PD T2 dual", 20, 3000)) == (None, words)
    assert recognise(series("PD T2 dual", 90, 3000))[0] == "T2w"
    assert recognise(series("T2 space dark", 300, 5000, 1800))[0] == "FLAIR"
    assert recognise(series("T2 tse", 300, 5000, 1800))[0] == "FLAIR"
    assert recognise(series("T1 tse", 100, 4000))[0] is None
    assert recognise(series("", 20, 600, gradient_echo=True))[0] is None


def test_the_header_names_the_contrast_agent_unless_the_words_deny_it():
    assert recognise(series("AX T1", contrast=True))[0] == "Gd-T1w"
    assert recognise(series("AX T1 pre", contrast=True))[0] == "T1w"
    assert recognise(series("AX FLAIR", contrast=True))[0] == "FLAIR"


def test_kinds_of_images_that_are_not_used():
    for changes, reason in (
        ({"mr": False}, "no MR images"),
        ({"burned_in": True}, "text is burned into the images"),
        ({"image_type": ("DERIVED", "SECONDARY")}, "derived images"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, "localiser"),
        ({"diffusion": True}, "diffusion"),
    ):
        assert recognise(series("AX T1", **changes)) == (None, reason)


def test_only_words_that_name_sequences_are_shown():
    text = "SMITH^JOHN 1996-09-09 t1_se_tra MRN4711 Gd, t2*"
    assert known_words(text) == "* t1 se tra * gd t2*"
