"""The embedded dataset: a digital brain phantom with gliomas.

Everything here is simulated. Real anatomy, the MNI152 template that nilearn ships, is
deformed per subject; lesions push it aside, grow in it and leave edema around them; and
tissue constants at 3 T go through the sequences' signal equations and a scanner's
imperfections. No download and no patient data are involved.

Example:
  >>> subject = simulate_subject(0, seed=0, grid=grid(64, slices=2))
  >>> subject.images.shape
  (2, 64, 64, 5)
"""

from samr_jax.data.phantom.geometry import grid
from samr_jax.data.phantom.simulate import simulate_subject

__all__ = ["VERSION", "grid", "simulate_subject"]

VERSION = 1
"""Version of the simulation, raised when any array of an embedded dataset changes.

Cached datasets of another version are left alone and a new one is built.
``tests/data/test_embedded.py`` notices a change without a new version.
"""
