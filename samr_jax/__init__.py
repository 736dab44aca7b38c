"""Confidence-guided synthesis of multi-contrast brain MR images from lesion masks.

Research software, not for clinical use.
"""

__version__ = "0.1.0"
