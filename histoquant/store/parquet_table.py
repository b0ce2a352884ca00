"""Tables as Parquet, the same bytes for the same table."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:  # a batch of tiles is written without pandas
    import pandas as pd


def parquet_bytes(table: pa.Table | pd.DataFrame) -> bytes:
    """Encode as Parquet (zstd), the same bytes for the same table and library versions."""
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    if any(pa.types.is_list(field.type) for field in table.schema):
        # pandas cannot read its own note about Arrow lists back
        table = table.replace_schema_metadata(None)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=3)
    return sink.getvalue()
