"""Nyúl standardisation: compared with the library, inverted, and its effect."""

import numpy as np
import pytest
from intensity_normalization import NyulNormalizer, create_image

from samr_jax.prepare.cohort.standardise import (
    SCALE,
    Standard,
    fit_standard,
    spread,
)
from samr_jax.prepare.subject.landmarks import (
    PERCENTILES,
    landmarks,
    piecewise_linear,
)
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick


def _scans(count=6):
    """Intensities of three tissues; every scan has a unit of its own."""
    rng = np.random.default_rng(0)
    scans = []
    for _ in range(count):
        tissue = rng.choice([200.0, 600.0, 900.0], size=5000, p=[0.2, 0.4, 0.4])
        values = tissue + rng.normal(scale=40, size=5000)
        scans.append((values * rng.uniform(0.3, 3) + rng.uniform(0, 50)).clip(1))
    return scans


@pytest.fixture(scope="module")
def standard():
    return fit_standard(("T1w", "APTw"), {"T1w": _scans(), "APTw": []})


def test_landmarks_are_the_librarys():
    np.testing.assert_array_equal(NyulNormalizer().percentiles, PERCENTILES)
    assert SCALE == (1.0, 100.0)


def test_map_is_the_librarys(standard):
    nyul = NyulNormalizer(output_min_value=1, output_max_value=100)
    nyul.fit_population([create_image(s) for s in _scans()])
    for scan in _scans():
        ours = standard.apply("T1w", scan, landmarks(scan, source="scan"))
        theirs = nyul.transform(create_image(scan)).get_data()
        np.testing.assert_allclose(ours, np.maximum(theirs, 0), atol=1e-4)


def test_the_way_back_is_the_inverse(standard):
    scan = _scans()[3]
    marks = landmarks(scan, source="scan")
    there = standard.apply("T1w", scan, marks)
    back = piecewise_linear(there, np.array(standard.scales["T1w"]), marks)
    np.testing.assert_allclose(back[there > 0], scan[there > 0], rtol=1e-4)


def test_scales_agree_afterwards(standard):
    before = [np.median(scan) for scan in _scans()]
    after = [
        np.median(standard.apply("T1w", s, landmarks(s, source="s"))) for s in _scans()
    ]
    assert spread(before) > 0.3
    assert spread(after) < 0.01


def test_background_and_percentages_are_left_alone(standard):
    scan = _scans()[0]
    marks = landmarks(scan, source="scan")
    scan[:10] = 0
    assert (standard.apply("T1w", scan, marks)[:10] == 0).all()
    np.testing.assert_array_equal(standard.apply("APTw", -scan, ()), -scan)
    assert set(standard.scales) == {"T1w"}


def test_scan_of_few_grey_values_is_refused():
    with pytest.raises(InputError, match="scan: two of its intensity percentiles"):
        landmarks(np.repeat([1.0, 2.0], 100), source="scan")


def test_scale_survives_writing(standard):
    text = {name: list(marks) for name, marks in standard.scales.items()}
    again = Standard({name: tuple(marks) for name, marks in text.items()})
    assert again == standard
