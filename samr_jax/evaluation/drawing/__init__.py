"""Figures from arrays; numpy and matplotlib only."""
