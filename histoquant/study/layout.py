"""The tables below ``OUT/study``: files, columns and what each says. One place for code and docs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from histoquant.study.layout_text import BLIND
from histoquant.study.layout_text_joined import READERS, UNBLINDED

KINDS = ("text", "count", "number", "flag")


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes
    ----------
    name : str
    kind : str
        ``text``, ``count`` (whole number), ``number`` or ``flag`` (true, false).
    says : str
        What a cell holds.
    """

    name: str
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class TableLayout:
    """One table.

    Attributes
    ----------
    name : str
        File name without its ending; written as CSV and as Parquet.
    says : str
        What a row is.
    columns : tuple of Column
    """

    name: str
    says: str
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> list[str]:
        """Names in order."""
        return [column.name for column in self.columns]


def _parsed(text: str) -> dict[str, TableLayout]:
    """Read blocks of ``[name] what a row is`` with lines of ``column kind what a cell holds``."""
    tables: dict[str, TableLayout] = {}
    for block in text.strip().split("\n\n"):
        head, *lines = block.splitlines()
        name, says = head.removeprefix("[").split("] ", 1)
        columns = tuple(Column(*line.split(None, 2)) for line in lines)
        wrong = [column.name for column in columns if column.kind not in KINDS]
        assert not wrong, f"{name}: kind of {wrong}"
        tables[name] = TableLayout(name, says, columns)
    return tables


BLIND_TABLES = _parsed(BLIND)
"""Written by every ``histoquant study``; none depends on arm or outcome."""
UNBLINDED_TABLES = _parsed(UNBLINDED)
"""Written only with ``--outcomes``."""
READER_TABLES = _parsed(READERS)
"""Written by ``histoquant agreement``."""
TABLES = {**BLIND_TABLES, **UNBLINDED_TABLES, **READER_TABLES}


def shaped(name: str, rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Bring rows into a table's columns, order and types; what is missing becomes empty, never NaN text.

    Parameters
    ----------
    name : str
        One of `TABLES`.
    rows : DataFrame or sequence of mappings
        May hold more columns than the table; every column of the table must occur.

    Raises
    ------
    KeyError
        If a column is missing from the rows: a fault of the code, not of the data.
    """
    columns = TABLES[name].columns
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if table.empty:
        table = pd.DataFrame({column.name: [] for column in columns})
    return pd.DataFrame({column.name: _typed(table[column.name], column.kind) for column in columns})


def _typed(cells: pd.Series, kind: str) -> pd.Series:
    plain = cells.reset_index(drop=True)
    if kind == "text":
        texts = [None if value is None or value != value or value == "" else str(value) for value in plain]
        return pd.Series(texts, dtype="string")
    if kind == "flag":
        return pd.Series(
            [None if value is None or value != value else bool(value) for value in plain], dtype="boolean"
        )
    numbers = pd.to_numeric(plain).astype("float64")
    finite = numbers.where(np.isfinite(numbers))
    return finite.astype("Float64") if kind == "number" else finite.round().astype("Int64")


def markdown(tables: dict[str, TableLayout]) -> str:
    """Describe tables as Markdown, for ``docs/study.md``."""
    parts = []
    for table in tables.values():
        rows = "\n".join(f"| `{c.name}` | {c.kind} | {c.says} |" for c in table.columns)
        parts.append(
            f"### `{table.name}.csv`\n\n{table.says}\n\n| column | kind | says |\n|---|---|---|\n{rows}"
        )
    return "\n\n".join(parts) + "\n"
