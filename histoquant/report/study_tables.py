"""Reading ``OUT/study`` back: typed by the layout, empty where a table was not written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from histoquant.errors import StoreError
from histoquant.study.layout import TABLES, TableLayout

STUDY_FOLDER = "study"
ANALYSIS = "analysis.json"


def read_study_tables(out: Path) -> dict[str, pd.DataFrame]:
    """Read every table that `histoquant study` and `histoquant agreement` have written.

    Parameters
    ----------
    out : Path
        Output folder.

    Returns
    -------
    dict of str to DataFrame
        One entry per table that is there: text as str with missing as ``""``, counts and numbers as float64
        with NaN, flags as bool.

    Raises
    ------
    StoreError
        If a table lacks a column of its layout.
    """
    found = {}
    for name, layout in TABLES.items():
        path = out / STUDY_FOLDER / f"{name}.csv"
        if path.is_file():
            found[name] = typed_table(pd.read_csv(path, dtype="str", keep_default_na=False), layout, path)
    return found


def typed_table(table: pd.DataFrame, layout: TableLayout, path: Path) -> pd.DataFrame:
    """Give a table of text the types of its layout.

    Raises
    ------
    StoreError
        If a column is missing.
    """
    absent = [name for name in layout.column_names if name not in table]
    if absent:
        raise StoreError(f"{path}: no column {absent[0]!r}. Run `histoquant study` again.")
    columns: dict[str, Any] = {}
    for column in layout.columns:
        cells = table[column.name]
        if column.kind in ("count", "number"):
            columns[column.name] = pd.to_numeric(cells, errors="coerce").astype("float64")
        elif column.kind == "flag":
            columns[column.name] = cells.str.lower() == "true"
        else:
            columns[column.name] = cells.fillna("").astype(object)
    return pd.DataFrame(columns)


def read_analysis(out: Path) -> dict[str, Any]:
    """Parameters of the analysis; empty where none was written."""
    try:
        loaded = json.loads((out / STUDY_FOLDER / ANALYSIS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
