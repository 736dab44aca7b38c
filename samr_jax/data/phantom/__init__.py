"""The embedded dataset: a digital brain phantom with gliomas.

All images are simulated. The anatomy of every subject is a deformation of the MNI152
template, which comes with nilearn. Lesions displace tissue, grow in it and are
surrounded by edema. The sequences' signal equations turn tissue constants at 3 T into
images, and a model of the scanner adds bias and noise. As after treatment, 90 % of the
subjects have tumor and 59 % a cavity, and lesions are uneven and irregular. The tissue
maps have the errors of a segmentation tool. There is no download and no patient data.

Example:
  >>> subject = simulate_subject(0, seed=0, grid=grid(64, slices=2))
  >>> subject.images.shape
  (2, 64, 64, 5)
"""

from samr_jax.data.phantom.geometry import grid
from samr_jax.data.phantom.simulate import simulate_subject

__all__ = ["VERSION", "grid", "simulate_subject"]

VERSION = 3
"""Version of the simulation, raised when any array of an embedded dataset changes.

Cached datasets of another version are left alone and a new one is built.
``tests/data/test_embedded.py`` notices a change without a new version.
"""
