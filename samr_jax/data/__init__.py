"""Datasets: reading, writing, intensity windows, batches, phantom, and lesion edits.

Everything here is numpy. No module imports JAX, but `batches` loads it through Grain.
"""
