"""Markdown tables from evaluations."""
