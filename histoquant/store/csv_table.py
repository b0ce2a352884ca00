"""Tables as CSV that a spreadsheet program opens without running it."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pandas as pd

# Spreadsheet programs run cells that begin with these as formulas (OWASP ASVS 1.2.10).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_bytes(table: pd.DataFrame) -> bytes:
    """Encode as CSV: nine significant digits, empty for missing, no cell that acts as a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.itertuples(index=False):
        writer.writerow([_csv_cell(value) for value in row])
    return buffer.getvalue().encode()


def _csv_cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return f"{value:.9g}"
    if isinstance(value, list | tuple):
        return ";".join(str(part) for part in value)
    text = str(value)
    return "'" + text if isinstance(value, str) and text.startswith(_FORMULA_STARTS) else text
