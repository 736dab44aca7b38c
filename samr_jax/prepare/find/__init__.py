"""Finds subjects and their files in a folder of any known layout."""
