"""Column types of the biopsy table, the same whether its rows are full or empty."""

from __future__ import annotations

import pandas as pd

_TEXT = ("patient", "tract", "timepoint", "flags", "score_status", "inflammation_reference")
_TEXT_ENDINGS = ("_clone", "_status")
_COUNTS = ("positive", "diffuse_positive", "aggregates", "vessels", "nuclei", "sections", "grade")


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Give every column its type by its name.

    Parameters
    ----------
    table : DataFrame
        Columns of the biopsy table, with None or NaN where a cell is empty.

    Returns
    -------
    DataFrame
        Text as object with None, counts as Int64 with NA, everything else as float64 with NaN.
    """
    return pd.DataFrame({name: _typed(str(name), table[name]) for name in table.columns}, index=table.index)


def _typed(name: str, column: pd.Series) -> pd.Series:
    if name in _TEXT or name.endswith(_TEXT_ENDINGS):
        values = [None if pd.isna(value) else value for value in column]
        return pd.Series(values, index=column.index, dtype=object)
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    whole = bool((numbers.dropna() % 1 == 0).all())
    return numbers.astype("Int64") if whole and name.split("_", 1)[-1] in _COUNTS else numbers
