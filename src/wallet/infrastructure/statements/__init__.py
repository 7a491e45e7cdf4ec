"""A statement as a file: a table for spreadsheets, a message for accounts, a page for people.

Each function is pure: the same statement gives the same bytes, wherever and whenever it is made.
"""

from wallet.infrastructure.statements.camt053 import camt053_of
from wallet.infrastructure.statements.csv_statement import csv_of
from wallet.infrastructure.statements.pdf import pdf_of

__all__ = ["camt053_of", "csv_of", "pdf_of"]
