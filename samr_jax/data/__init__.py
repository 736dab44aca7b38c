"""Datasets: readers, intensity windows, the phantom, the TFDS builder, batches.

Everything here is numpy; nothing imports JAX.
"""
