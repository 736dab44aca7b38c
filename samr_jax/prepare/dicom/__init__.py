"""Reads folders of DICOM series. No name, date or UID of a header leaves this code."""
