"""Fixtures of the page's tests."""

import pytest

from samr_jax.page.site import Site
from samr_jax.page.studio import Studio
from tests.inference.test_anatomy import random_model
from tests.page.page_cases import TOKEN, mask_of


@pytest.fixture(scope="session")
def told_model(dataset):
    """A model that is told an anatomy and sees noise."""
    return random_model(dataset, "anatomy", noise=1)


@pytest.fixture
def studio(told_model):
    return Studio(told_model, [mask_of(told_model, 1)])


@pytest.fixture
def site(studio):
    return Site(studio, TOKEN, anatomy="average")
