"""Columns are what pyarrow itself would make of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from histoquant.objects.columns import to_arrow, to_table

COLUMNS = {
    "float64": np.array([1.5, np.nan, -0.0]),
    "float32": np.array([0.1, 2.0, 3.0], np.float32),
    "int32": np.arange(6, dtype=np.int32)[::2],
    "int64": np.array([[1, 2], [3, 4], [5, 6]])[:, 1],
    "bool": np.array([True, False, True]),
    "none": np.zeros(0, np.int64),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_the_one_pyarrow_makes(name: str) -> None:
    mine, its = to_arrow(COLUMNS[name]), pa.array(COLUMNS[name])
    mine.validate(full=True)
    assert mine.type == its.type
    assert mine.null_count == 0
    np.testing.assert_array_equal(mine.to_numpy(zero_copy_only=False), its.to_numpy(zero_copy_only=False))


def test_a_table_holds_its_columns_in_their_order() -> None:
    columns = {name: COLUMNS[name] for name in ("int64", "bool", "float32", "int32")}
    table = to_table(columns)
    table.validate(full=True)
    assert table.column_names == list(columns)
    for name, values in columns.items():
        np.testing.assert_array_equal(table[name].to_numpy(), values)
