"""Columns come back from Arrow as they went in, and are what pyarrow itself would make of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from histoquant.objects.columns import to_arrow, to_numpy, to_table

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


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "bool"])
def test_numbers_come_back_whole_in_part_and_in_pieces(name: str) -> None:
    table = to_table({"x": COLUMNS[name]})
    np.testing.assert_array_equal(to_numpy(table["x"]), COLUMNS[name])
    np.testing.assert_array_equal(to_numpy(table["x"].slice(1)), COLUMNS[name][1:])
    twice = pa.concat_tables([table, table])
    np.testing.assert_array_equal(to_numpy(twice["x"]), np.concatenate([COLUMNS[name]] * 2))


def test_a_missing_value_is_refused() -> None:
    with pytest.raises(ValueError, match="1 of 2 values are missing"):
        to_numpy(pa.chunked_array([pa.array([1, None])]))
