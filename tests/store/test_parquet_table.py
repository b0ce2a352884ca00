from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from histoquant.store.parquet_table import GROUP_ROWS, parquet_bytes, read_parquet, write_parquet

ROWS = GROUP_ROWS + 1000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(0)
    od = rng.normal(0.3, 0.1, ROWS)
    od[::7] = np.nan
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 9, ROWS))]).astype(np.int32)
    corners = rng.integers(0, 4000, offsets[-1]).astype(np.float32)
    return pa.table(
        {
            "cell_id": rng.integers(0, 1 << 60, ROWS),
            "dab_od": od,
            "positive": rng.random(ROWS) < 0.5,
            "kind": rng.choice(["a", "b"], ROWS),
            "outline_xy_px": pa.ListArray.from_arrays(pa.array(offsets), pa.array(corners)),
        }
    )


def test_what_is_read_is_what_was_written(table: pa.Table) -> None:
    written = parquet_bytes(table)
    read = pq.read_table(io.BytesIO(written))
    assert read.schema.names == table.schema.names
    for name in table.column_names:
        if name != "dab_od":
            assert read[name].equals(table[name])
    np.testing.assert_array_equal(read["dab_od"].to_numpy(), table["dab_od"].to_numpy())
    assert parquet_bytes(table) == written


def test_parts_are_written_as_the_whole(table: pa.Table) -> None:
    sink = io.BytesIO()
    write_parquet(sink, [table.slice(0, GROUP_ROWS), table.slice(GROUP_ROWS)])
    assert sink.getvalue() == parquet_bytes(table)


def test_numbers_with_fractions_are_split_into_bytes_and_words_are_listed(table: pa.Table) -> None:
    group = pq.ParquetFile(io.BytesIO(parquet_bytes(table))).metadata.row_group(0)
    told = {group.column(k).path_in_schema: group.column(k).encodings for k in range(group.num_columns)}
    split = {name for name, encodings in told.items() if "BYTE_STREAM_SPLIT" in encodings}
    assert split == {"dab_od", "outline_xy_px.list.element"}
    assert {name for name, encodings in told.items() if "RLE_DICTIONARY" in encodings} == {"kind"}


def test_a_table_is_read_as_pandas_reads_it(tmp_path: Path, table: pa.Table) -> None:
    path = tmp_path / "cells.parquet"
    path.write_bytes(parquet_bytes(table))
    pd.testing.assert_frame_equal(read_parquet(path), pd.read_parquet(path))
    pd.testing.assert_frame_equal(
        read_parquet(path, ["kind", "dab_od"]), pd.read_parquet(path)[["kind", "dab_od"]]
    )


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_reading_starts_no_threads_that_could_outlive_the_program(tmp_path: Path, table: pa.Table) -> None:
    path = tmp_path / "cells.parquet"
    path.write_bytes(parquet_bytes(table))

    def threads_added_by(call: str) -> int:
        code = (
            "import os, sys, pathlib, pandas as pd, pyarrow.parquet\n"
            "from histoquant.store.parquet_table import read_parquet\n"
            "path = pathlib.Path(sys.argv[1])\n"
            "before = len(os.listdir('/proc/self/task'))\n"
            f"{call}\n"
            "print(len(os.listdir('/proc/self/task')) - before)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert threads_added_by("pd.read_parquet(path)") > 0  # or the next line says nothing
    assert threads_added_by("read_parquet(path)") == 0
