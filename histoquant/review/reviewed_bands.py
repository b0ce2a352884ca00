"""Distance bands from what a reader drew: the lumen of a tract, or its wall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from histoquant.metrics import bands
from histoquant.metrics.tissue import Tissue
from histoquant.review.corrections import SlideTables, counted_places, kept_cells
from histoquant.review.events import FieldReview
from histoquant.review.log_file import Item
from histoquant.review.session import by_slide, signed_log, slide_tables
from histoquant.store.parquet_table import read_parquet
from histoquant.store.results import Results, load_results

REFERENCES: Final = {"lumen": "lumen", "tract wall": "tract_wall"}
"""Kinds of region that distances start from, and what they are called in the table."""
_IDENTITY = ("slide_id", "patient", "tract", "timepoint", "marker")
COLUMNS: Final = (*_IDENTITY, "source", *bands.COLUMNS)
MACHINE, READER = "machine", "reader"


def reviewed_bands(slide: SlideTables, reviews: Sequence[tuple[Item, FieldReview]]) -> pd.DataFrame:
    """Bands of one slide from the regions a reader drew, corrected cells counted.

    Parameters
    ----------
    slide : SlideTables
    reviews : sequence of (Item, FieldReview)
        Of fields of this slide.

    Returns
    -------
    pandas.DataFrame
        `histoquant.metrics.bands.COLUMNS`; one set of rows for ``lumen`` and one for ``tract_wall``, none
        where neither was drawn.

    Notes
    -----
    Only tissue of fields in which such a region was drawn is counted: nobody looked for one elsewhere, so
    distances there would be too long. A slide that was shown whole is one field. Cells within the region lie
    at distance 0, as those in a tract's wall do.
    """
    x_um, y_um = counted_places(slide, reviews)
    kept = kept_cells(slide.tissue, reviews) & slide.tissue.mask
    found = []
    for kind, name in REFERENCES.items():
        reference, looked = np.zeros_like(kept), np.zeros_like(kept)
        for item, review in reviews:
            outlines = [region["xy_um"] for region in review.regions.values() if region["kind"] == kind]
            for outline in outlines:
                reference |= slide.tissue.polygon(outline)
            if outlines:
                looked |= slide.tissue.polygon(item.corners_um)
        tissue = Tissue(kept & looked, slide.tissue.cell_um, slide.tissue.cell_um)
        found.append(bands.distance_bands(x_um, y_um, tissue, reference, name))
    return pd.concat([table for table in found if len(table)] or found[:1], ignore_index=True)


def bands_analysed(root: Path, slides: pd.DataFrame, reader: str) -> pd.DataFrame:
    """Bands of all slides: the machine's, and beside them those from a reader's regions.

    Parameters
    ----------
    root : Path
        Results folder.
    slides : pandas.DataFrame
        ``slides.parquet``.
    reader : str
        Whose log is locked.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`; ``source`` is ``machine`` or ``reader``.
    """
    results = load_results(root)
    with signed_log(root, reader) as log:
        reviews = by_slide(log)
    tables = []
    for row in slides.to_dict("records"):
        slide_id = str(row["slide_id"])
        tables.append(_named(_machines(results, slide_id), row, MACHINE))
        if slide_id in reviews:
            drawn = reviewed_bands(slide_tables(results, slide_id), reviews[slide_id])
            tables.append(_named(drawn, row, READER))
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(COLUMNS))


def _machines(results: Results, slide_id: str) -> pd.DataFrame:
    path = results.folder / "slides" / slide_id / "bands.parquet"
    return read_parquet(path) if path.is_file() else pd.DataFrame()


def _named(table: pd.DataFrame, row: Mapping[Any, Any], source: str) -> pd.DataFrame:
    about = {name: row.get(name) for name in _IDENTITY}
    return table.assign(**about, source=source).reindex(columns=list(COLUMNS))
