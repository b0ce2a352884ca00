"""Tables as Parquet, the same bytes for the same table."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:  # Arrow tables are written without pandas
    import pandas as pd


GROUP_ROWS = 65_536
"""Rows of a group, which is encoded in memory: one of 400,000 cells took 250 MB, one of these takes 70."""


def parquet_bytes(table: pa.Table | pd.DataFrame) -> bytes:
    """Encode as Parquet (zstd), the same bytes for the same table and library versions."""
    sink = io.BytesIO()
    write_parquet(sink, [table])
    return sink.getvalue()


def write_parquet(sink: BinaryIO | io.RawIOBase, parts: Iterable[pa.Table | pd.DataFrame]) -> None:
    """Write a table that comes in parts, the bytes of `parquet_bytes` of all of it.

    Parameters
    ----------
    sink : BinaryIO or io.RawIOBase
        Where to write.
    parts : iterable of pyarrow.Table or pandas.DataFrame
        At least one; each but the last of a multiple of `GROUP_ROWS` rows.
    """
    writer: pq.ParquetWriter | None = None
    try:
        for part in parts:
            table = _as_arrow(part)
            writer = writer or _writer(sink, table.schema)
            writer.write_table(table, row_group_size=GROUP_ROWS)
            del part, table  # before the next is made
    except BaseException:
        if writer is not None:
            # it would close itself once the file is shut, which Python can but print
            with contextlib.suppress(Exception):
                writer.close()
        raise
    if writer is not None:
        writer.close()


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table, in this thread alone: see `parquet_file`.

    Parameters
    ----------
    path : Path
        A Parquet file.
    columns : sequence of str, optional
        Those to read; all of them by default.

    Returns
    -------
    pandas.DataFrame
        One row per row of the file, what `pandas.read_parquet` makes of it.
    """
    with parquet_file(path) as file:
        table = file.read(
            None if columns is None else list(columns), use_threads=False, use_pandas_metadata=True
        )
    frame: pd.DataFrame = table.to_pandas(use_threads=False)
    return frame


def parquet_file(path: Path) -> pq.ParquetFile:
    """Open for reading without Arrow's threads (read with `use_threads=False`).

    They now and then abort a program that has done all its work and is about to end (apache/arrow#34314):
    3 of 90 that read three small tables, none of 90 without them.
    """
    return pq.ParquetFile(path, pre_buffer=False)


def _writer(sink: BinaryIO | io.RawIOBase, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=1,
        # measurements hardly repeat: a dictionary of them makes a table of cells 15 % larger
        use_dictionary=[field.name for field in schema if _is_text(field.type)],
        # first bytes of numbers are alike, last ones are noise: a level less packs them as well
        use_byte_stream_split=[path for field in schema for path in _float_paths(field)],
    )


def _as_arrow(table: pa.Table | pd.DataFrame) -> pa.Table:
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    if any(pa.types.is_list(field.type) for field in table.schema):
        # pandas cannot read its own note about Arrow lists back
        table = table.replace_schema_metadata(None)
    return table


def _float_paths(field: pa.Field) -> list[str]:
    """Where Parquet keeps a column's numbers, if they have fractions."""
    if pa.types.is_list(field.type):
        return _float_paths(field.type.value_field.with_name(f"{field.name}.list.element"))
    return [field.name] if pa.types.is_floating(field.type) else []


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
