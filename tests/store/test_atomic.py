"""Files are whole or absent, and the same value gives the same bytes."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histoquant.errors import StoreError
from histoquant.store import atomic


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
    assert atomic.csv_bytes(table).decode() == 'slide,value,count\n\'=1+1,,\n"a,b",0.333333333,7\n'


def test_json_refuses_nan_and_sorts_keys():
    expected = b'{\n "a": [\n  1.5\n ],\n "b": 2\n}\n'
    assert atomic.json_bytes({"b": np.int64(2), "a": np.array([1.5])}) == expected
    with pytest.raises(ValueError, match="JSON"):
        atomic.json_bytes({"x": math.nan})


def test_parquet_bytes_depend_on_the_table_only():
    table = pd.DataFrame({"x": np.arange(1000) / 7, "name": ["p"] * 1000})
    assert atomic.parquet_bytes(table) == atomic.parquet_bytes(table.copy())
