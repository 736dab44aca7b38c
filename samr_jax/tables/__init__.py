"""The paper's five tables: trained, evaluated and written by one command."""

from samr_jax.tables.make import make_table
from samr_jax.tables.rows import TABLES, Row, Table

__all__ = ["TABLES", "Row", "Table", "make_table"]
