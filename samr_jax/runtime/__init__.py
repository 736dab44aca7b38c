"""General infrastructure: files, errors, memory, devices, interruption, launching.

Nothing in this folder is about MRI.
"""
