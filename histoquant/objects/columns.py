"""Columns between NumPy and Arrow without a look for pandas.

``pyarrow.array`` and ``to_numpy`` ask of what they are given whether it is pandas', and load pandas to ask.
That takes a fifth of a second, which the first tile of every process would wait for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def to_arrow(values: NDArray[Any]) -> pa.Array:
    """A column of numbers or truth values, none missing; numbers are not copied.

    Parameters
    ----------
    values : ndarray, shape (n,)

    Returns
    -------
    pyarrow.Array
    """
    kept = np.ascontiguousarray(values)
    data = np.packbits(kept, bitorder="little") if kept.dtype == np.bool_ else kept
    return pa.Array.from_buffers(pa.from_numpy_dtype(kept.dtype), len(kept), [None, pa.py_buffer(data)])


def to_table(columns: Mapping[str, NDArray[Any]]) -> pa.Table:
    """A table of such columns, in their order."""
    return pa.table({name: to_arrow(values) for name, values in columns.items()})


def to_numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column of numbers, none missing, as NumPy sees it; not copied where it lies in one piece.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Of a numeric type.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        If a value is missing.
    """
    if column.null_count:
        raise ValueError(f"{column.null_count} of {len(column)} values are missing")
    whole = column.combine_chunks()
    values = np.frombuffer(whole.buffers()[1] or b"", dtype=column.type.to_pandas_dtype())
    return values[whole.offset : whole.offset + len(whole)]
