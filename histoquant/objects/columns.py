"""Columns of NumPy for Arrow without a look for pandas.

``pyarrow.array`` asks of what it is given whether it is pandas', and loads pandas to ask.
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
