"""The cell under the cursor in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.spatial import cKDTree

REACH_UM = 8.0
"""Farther from every nucleus' middle there is no cell under the cursor."""
SHOWN = (
    ("nucleus_area_um2", "nucleus", "µm²"),
    ("circularity", "circularity", ""),
    ("hematoxylin_od", "haematoxylin", "OD"),
    ("dab_od", "DAB, scored", "OD"),
    ("nucleus_dab_od", "DAB in the nucleus", "OD"),
    ("ring_dab_od", "DAB in the ring", "OD"),
    ("cytoplasm_dab_od", "DAB in the cytoplasm", "OD"),
    ("stained_area_um2", "stained", "µm²"),
)


class CellFinder:
    """Cells by place.

    Parameters
    ----------
    cells : pyarrow.Table
        ``x_um, y_um`` and the columns of `SHOWN` that it has.
    """

    def __init__(self, cells: pa.Table) -> None:
        self._cells = cells
        self.xy_um: NDArray[np.float64] = np.column_stack(
            [cells["x_um"].to_numpy(), cells["y_um"].to_numpy()]
        ).astype(np.float64)
        self._tree = cKDTree(self.xy_um) if len(self.xy_um) else None

    def at(self, x_um: float, y_um: float) -> int | None:
        """Row of the cell at a place, or None."""
        if self._tree is None:
            return None
        distance_um, row = self._tree.query((x_um, y_um), distance_upper_bound=REACH_UM)
        return int(row) if np.isfinite(distance_um) else None

    def words(self, row: int, class_name: str) -> list[tuple[str, str]]:
        """What was measured of a cell: name and value with its unit."""
        found = [("class", class_name)] if class_name else []
        names: Sequence[str] = self._cells.column_names
        for column, name, unit in SHOWN:
            value = self._cells[column][row].as_py() if column in names else None
            if value is not None and not pd.isna(value):
                found.append((name, f"{value:.3g} {unit}".strip()))
        return found
