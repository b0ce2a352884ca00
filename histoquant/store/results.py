"""Reading a finished output folder back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from histoquant.errors import StoreError
from histoquant.store.parquet_table import read_parquet

_TEXT_COLUMNS = (
    *("slide_id", "file", "status", "reason", "flags", "patient", "tract", "timepoint", "marker"),
    *(
        "section",
        "block",
        "batch",
        "clone",
        "control",
        "mpp_source",
        "stain_source",
        "empty_because",
        "source_sha256",
        "icc_sha256",
    ),
)


class Results:
    """The tables of one output folder.

    Parameters
    ----------
    folder : Path
        What ``histoquant run`` was told with ``-o``.

    Attributes
    ----------
    slides : pandas.DataFrame
        One row per input slide, as ``slides.csv``.
    biopsies : pandas.DataFrame
        One row per patient, tract and timepoint, as ``biopsies.csv``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.slides = self._table("slides.csv")
        self.biopsies = self._table("biopsies.csv")

    def cells(self, slide_id: str) -> pd.DataFrame:
        """Cells of one slide, one row per nucleus.

        Raises
        ------
        StoreError
            If the slide has no cells here: not an input, or failed or refused.
        """
        return self._objects(slide_id, "cells")

    def vessels(self, slide_id: str) -> pd.DataFrame:
        """Vessels of one CD31 slide, one row per vessel."""
        return self._objects(slide_id, "vessels")

    def aggregates(self, slide_id: str) -> pd.DataFrame:
        """Lymphoid aggregates of one CD20 slide, one row per aggregate."""
        return self._objects(slide_id, "aggregates")

    def bands(self, slide_id: str) -> pd.DataFrame:
        """Density of one slide by distance from the annotated lumen, or from the edge of the tissue."""
        return self._objects(slide_id, "bands")

    def _table(self, name: str) -> pd.DataFrame:
        path = self.folder / name
        if not path.is_file():
            raise StoreError(f"{path}: not there. Name a folder that `histoquant run ... -o` has finished.")
        # only an empty cell is missing: a patient may be called NA, a batch 007
        return pd.read_csv(
            path, dtype=dict.fromkeys(_TEXT_COLUMNS, "str"), keep_default_na=False, na_values=[""]
        )

    def _objects(self, slide_id: str, name: str) -> pd.DataFrame:
        row = self.slides[self.slides["slide_id"] == slide_id]
        path = self.folder / "slides" / slide_id / f"{name}.parquet"
        if row.empty or not path.is_file():
            why = "no slide has this id" if row.empty else f"status {row['status'].iloc[0]}"
            raise StoreError(f"{slide_id}: no {name} table in {self.folder} ({why}). See slides.csv.")
        return read_parquet(path)


def load_results(folder: str | Path) -> Results:
    """Open a finished output folder.

    Parameters
    ----------
    folder : str or Path
        What ``histoquant run`` was told with ``-o``.

    Returns
    -------
    Results

    Raises
    ------
    StoreError
        If the folder holds no finished run.
    """
    return Results(Path(folder))
