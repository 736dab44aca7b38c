"""Scores, tables and figures of trained methods."""
