"""Files are whole or absent, and the same value gives the same bytes."""

from __future__ import annotations

import gc
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from histoquant.errors import StoreError
from histoquant.store import atomic
from histoquant.store.csv_table import csv_bytes
from histoquant.store.parquet_table import GROUP_ROWS, parquet_bytes, write_parquet


def test_a_refused_write_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "table.csv"
    atomic.write_bytes(target, b"old")

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreError, match=r"table\.csv: cannot be written \(No space left.*run the same"):
        atomic.write_bytes(target, b"new and longer")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_csv_has_no_nan_no_formula_and_fixed_digits():
    table = pd.DataFrame(
        {"slide": ["=1+1", "a,b"], "value": [math.nan, 1 / 3], "count": pd.array([None, 7], dtype="Int64")}
    )
    assert csv_bytes(table).decode() == 'slide,value,count\n\'=1+1,,\n"a,b",0.333333333,7\n'


def test_json_refuses_nan_and_sorts_keys():
    expected = b'{\n "a": [1.5, 2.0],\n "b": 2\n}\n'
    assert atomic.json_bytes({"b": np.int64(2), "a": np.array([1.5, 2])}) == expected
    with pytest.raises(ValueError, match="JSON"):
        atomic.json_bytes({"x": math.nan})


def test_every_kind_of_cell_has_one_spelling():
    table = pd.DataFrame(
        {
            "a": [True, None],
            "b": [["x", 1], ()],
            "c": [np.bool_(False), pd.NA],
            "d": [math.inf, 2],
            "e": ["+", -1],
        },
        dtype=object,
    )
    assert csv_bytes(table).decode() == "a,b,c,d,e\ntrue,x;1,false,,'+\n,,,2,-1\n"
    with pytest.raises(TypeError, match="set has no JSON form"):
        atomic.json_bytes({"x": {1}})


def test_every_key_of_json_has_a_line_however_deep():
    value = {"e": [[1], {"f": "\u00e4"}], "c": [{"b": {}, "a": (1, "x")}, None], "a": []}
    text = atomic.json_bytes(value).decode()
    assert text.splitlines() == [
        "{",
        ' "a": [],',
        ' "c": [',
        "  {",
        '   "a": [1, "x"],',
        '   "b": {}',
        "  },",
        "  null",
        " ],",
        ' "e": [',
        "  [1],",
        "  {",
        '   "f": "\u00e4"',
        "  }",
        " ]",
        "}",
    ]
    assert json.loads(text) == json.loads(json.dumps(value))
    assert atomic.json_bytes({2: {True: None}}) == b'{\n "2": {\n  "true": null\n }\n}\n'


def test_a_name_that_is_no_utf8_comes_back_from_json():
    name = os.fsdecode(b"P01_\xff.svs")
    data = atomic.json_bytes({"file": name})
    assert data.isascii()
    assert json.loads(data) == {"file": name}


def test_lists_come_back_from_parquet():
    table = pa.table({"x": [[1, 2], []]}).replace_schema_metadata({"pandas": "{}"})
    assert pd.read_parquet(io.BytesIO(parquet_bytes(table)))["x"].map(list).tolist() == [[1, 2], []]


def test_nothing_is_open_for_all_to_write(tmp_path: Path):
    before = os.umask(0)
    try:
        atomic.make_folder(tmp_path / "a" / "b")
        atomic.make_folder(tmp_path / "a" / "b")
        atomic.write_bytes(tmp_path / "a" / "b" / "x", b"x")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a" / "b")]
    assert modes == [0o775, 0o775]
    assert (tmp_path / "a" / "b" / "x").stat().st_mode & 0o777 == 0o664
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        atomic.make_folder(tmp_path / "file" / "b")


def test_parquet_bytes_depend_on_the_table_only():
    table = pd.DataFrame({"x": np.arange(1000) / 7, "name": ["p"] * 1000})
    assert parquet_bytes(table) == parquet_bytes(table.copy())


def test_a_table_in_parts_is_the_bytes_of_the_whole(tmp_path: Path):
    rows = 2 * GROUP_ROWS + 17
    generator = np.random.default_rng(1)
    values = generator.normal(size=rows)
    values[::7] = np.nan
    table = pd.DataFrame(
        {"x": values, "n": generator.integers(0, 9, rows), "name": ["p", "q"] * (rows // 2) + ["p"]}
    )
    table["xy"] = pd.Series(
        pa.array([[1.0, 2.0], []] * (rows // 2) + [[3.0]]), dtype=pd.ArrowDtype(pa.list_(pa.float64()))
    )
    with atomic.replacing(tmp_path / "a.parquet") as file:
        write_parquet(file, (table[at : at + GROUP_ROWS] for at in range(0, rows, GROUP_ROWS)))
    assert (tmp_path / "a.parquet").read_bytes() == parquet_bytes(table)


def test_a_file_that_is_not_finished_is_not_there(tmp_path: Path):
    atomic.write_bytes(tmp_path / "x", b"old")
    with pytest.raises(ValueError, match="halfway"), atomic.replacing(tmp_path / "x") as file:  # noqa: PT012
        file.write(b"new")
        raise ValueError("halfway")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_table_that_is_not_finished_leaves_nothing_and_says_nothing(tmp_path: Path):
    rows = pd.DataFrame({"x": np.arange(GROUP_ROWS) / 7})

    def parts() -> Iterator[pd.DataFrame]:
        yield rows
        raise StoreError("the second part is gone")

    with (
        pytest.raises(StoreError, match="the second part is gone"),
        atomic.replacing(tmp_path / "a.parquet") as file,
    ):
        write_parquet(file, parts())
    gc.collect()  # what a writer has to say when it is let go would be a warning
    assert not list(tmp_path.iterdir())
