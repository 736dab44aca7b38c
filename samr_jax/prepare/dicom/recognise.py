"""Which sequence a series is: by its description, its parameters and contrast agent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from samr_jax.prepare.dicom.series import Series
from samr_jax.prepare.dicom.words import words_of

_OTHER: Mapping[str, str] = {
    "localiser": r"loc(ali[sz]er)?\w*|scout|survey|plan(es?|scan)?|3plane",
    "diffusion": r"dwi\w*|dti\w*|diff\w*|adc\w*|tracew?|tensor|fa|ep2d\w*|b0|b1000",
    "perfusion or function": r"perf\w*|pwi|dsc|dce|(pc)?asl|bold|fmri|r?cb[vf]|mtt",
    "vessels": r"tof\w*|mra|mrv|angio\w*|venc\w*|phase",
    "susceptibility": r"swi\w*|swan|venbold|qsm|medic|hemo|t2(\*|star)|gre",
    "map": r"maps?|mp2rage\w*|t[12]map|mag(ic)?",
    "spectroscopy": r"mrs|svs|csi\w*|spectro\w*",
    "reformatted or computed": r"mi[np]p?|minip|mip|mpr|reformat\w*|sub|subtract\w*",
    "fat suppressed by inversion": r"stir",
    "another part of the body": r"[cl]?spine|neck|orbits?|sella|iac|pituitary|abdomen",
}
"""What a series is that is none of our sequences -> words that say so."""

_FLAIR = r"\w*flair\w*|tirm\w*|dark|da?rkfl\w*"
_T1 = r"[a-z0-9]{0,3}t1[a-z]*|\w*mprage\w*|[a-z]*spgr|bravo"
_T2 = r"[a-z0-9]{0,3}t2[a-z]*"
_AGENT = (
    r"gd|gad|gado\w*|post\w*|ce|km|kontrast\w*|after|contrast|enhanced|\w*t1w?(c|ce|gd)"
    r"|\w*t1w?post|\w*gd"
)
_NO_AGENT = r"pre\w*|nativ\w*|without|wo|ohne|sans|non|no|before|unenhanced"

_MAX_T1_ECHO_MS, _MIN_T2_ECHO_MS = 40.0, 50.0
_MIN_FLAIR_INVERSION_MS = 1500.0
"""Fluid is nulled by 1600 to 2800 ms; T1-weighted scans with inversion have less."""


def recognise(series: Series) -> tuple[str | None, str]:
    """The sequence of a series, or None, and the reason in one line without names."""
    other = _no_candidate(series)
    if other is not None:
        return None, other
    role, reason = _by_words(series)
    if role is None:
        role, reason = _by_parameters(series)
    if role is None:
        return None, "neither description nor parameters name a sequence"
    time = series.echo_time
    if time is not None and role == "T1w" and time > _MAX_T1_ECHO_MS:
        return None, f"{reason} {role}, but the echo time is {time:g} ms"
    if time is not None and role != "T1w" and time < _MIN_T2_ECHO_MS:
        return None, f"{reason} {role}, but the echo time is {time:g} ms"
    if role == "T1w" and _has_agent(series):
        role = "Gd-T1w"
    return role, f"{reason} {role}"


def _no_candidate(series: Series) -> str | None:
    """Why a series cannot be chosen; None if it can."""
    if not series.mr:
        return "no MR images"
    if series.burned_in:
        return "text is burned into the images"
    if "LOCALIZER" in series.image_type:
        return "localiser"
    if series.diffusion:
        return "diffusion"
    words = words_of(series.text)
    for kind, pattern in _OTHER.items():
        if any(re.fullmatch(pattern, word) for word in words):
            return kind
    if "DERIVED" in series.image_type:
        return "derived images"
    return None


def _by_words(series: Series) -> tuple[str | None, str]:
    words = words_of(series.text)

    def said(pattern: str) -> bool:
        return any(re.fullmatch(pattern, word) for word in words)

    reason = "the description says"
    # A "T1 FLAIR" is a T1-weighted scan with inversion.
    if said(_T1):
        return "T1w", reason
    if said(_FLAIR):
        return "FLAIR", reason
    if said(_T2):
        return ("FLAIR" if _nulls_fluid(series) else "T2w"), reason
    return None, ""


def _by_parameters(series: Series) -> tuple[str | None, str]:
    echo, repetition = series.echo_time, series.repetition_time
    inversion = series.inversion_time
    reason = "TE, TR and TI say"
    if echo is None or repetition is None:
        return None, ""
    if _nulls_fluid(series) and echo > _MIN_T2_ECHO_MS:
        return "FLAIR", reason
    if echo > 60 and repetition > 1500 and not series.gradient_echo:
        return "T2w", reason
    # A gradient echo with a longer echo time is weighted by T2*.
    short = echo <= (12 if series.gradient_echo else 30)
    inverted = inversion is not None and 200 <= inversion <= 1300
    if short and (repetition <= 1200 or inverted):
        return "T1w", reason
    return None, ""


def _nulls_fluid(series: Series) -> bool:
    return (series.inversion_time or 0) >= _MIN_FLAIR_INVERSION_MS


def _has_agent(series: Series) -> bool:
    """Whether a contrast agent was given: the description counts more than the header.

    Scanners keep the header's entry for scans that were planned before the injection.
    """
    words = words_of(series.text)
    if any(re.fullmatch(_NO_AGENT, word) for word in words):
        return False
    said = any(re.fullmatch(_AGENT, word) for word in words)
    plus = re.search(r"\+ ?(c|gd|gad|km)\b|\bc ?\+|t1\+", series.text)
    return said or bool(plus) or series.contrast
