"""What the exports need of one slide, read back from its results folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from histoquant.store.layout import OutputFolder
from histoquant.store.parquet_table import parquet_file, read_parquet


@dataclass(frozen=True)
class SlideObjects:
    """One finished slide.

    Attributes
    ----------
    slide_id : str
    cells_file : Path
        ``cells.parquet``.
    vessels, aggregates, regions : pandas.DataFrame
        Empty where the marker has none.
    plane_size_px : tuple of int
        Width and height of the working plane.
    factor_xy : tuple of float
        Level-0 pixels per plane pixel.
    plane_mpp_xy : tuple of float
        Micrometres per plane pixel.
    """

    slide_id: str
    cells_file: Path
    vessels: pd.DataFrame
    aggregates: pd.DataFrame
    regions: pd.DataFrame
    plane_size_px: tuple[int, int]
    factor_xy: tuple[float, float]
    plane_mpp_xy: tuple[float, float]

    @cached_property
    def cells(self) -> pa.Table:
        """The whole cell table, its columns in one chunk each; read when first asked for."""
        with parquet_file(self.cells_file) as file:
            return file.read(use_threads=False).combine_chunks()

    def cell_chunks(self, rows: int) -> Iterator[pa.Table]:
        """The cell table in pieces of so many rows, so that no more of it need be in memory."""
        with parquet_file(self.cells_file) as file:
            for batch in file.iter_batches(batch_size=rows, use_threads=False):
                yield pa.Table.from_batches([batch])


def read_objects(root: Path, slide_id: str) -> SlideObjects:
    """Read one slide's tables and plan.

    Parameters
    ----------
    root : Path
        Results folder.
    slide_id : str

    Raises
    ------
    StoreError
        If the slide is not finished there, or a file of it is not what was written.
    """
    folder = OutputFolder(root).whole_slide(slide_id)
    plan: dict[str, Any] = json.loads((folder / "plan.json").read_text("utf-8"))

    def frame(name: str) -> pd.DataFrame:
        path = folder / f"{name}.parquet"
        return read_parquet(path) if path.is_file() else pd.DataFrame()

    return SlideObjects(
        slide_id,
        folder / "cells.parquet",
        frame("vessels"),
        frame("aggregates"),
        frame("regions"),
        (int(plan["plane_size_px"][0]), int(plan["plane_size_px"][1])),
        (float(plan["plane_factor_xy"][0]), float(plan["plane_factor_xy"][1])),
        (float(plan["plane_mpp_xy"][0]), float(plan["plane_mpp_xy"][1])),
    )
