"""Density by distance from the lumen of the tract, or from the edge of the tissue.

Crohn's fistulae are layered from the lumen outwards: T cells, a narrow band of CD68+ cells, dense CD20+ cells
(Bataille, Gut 2004;53:1314). A density over the whole section cannot show that.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from histoquant.metrics.density import density, poisson_interval
from histoquant.metrics.tissue import Tissue

BAND_EDGES_UM = (0.0, 100.0, 250.0, 500.0, float("inf"))
"""Bands of the design: 0-100, 100-250, 250-500 and beyond 500 um."""

_ROWS = 32

COLUMNS = (
    "reference",
    "from_um",
    "to_um",
    "tissue_mm2",
    "counted",
    "per_mm2",
    "per_mm2_low",
    "per_mm2_high",
)


def distance_bands(
    x_um: NDArray[np.float64],
    y_um: NDArray[np.float64],
    tissue: Tissue,
    reference: NDArray[np.bool_],
    name: str,
) -> pd.DataFrame:
    """Counts, tissue and density in bands of distance from a reference.

    Parameters
    ----------
    x_um, y_um : ndarray of float64, shape (n,)
        Counted objects, from the slide's top-left corner.
    tissue : Tissue
        Quantifiable tissue.
    reference : ndarray of bool, shape of the tissue mask
        Map pixels to measure from: an annotated lumen, or all that is not tissue.
    name : str
        What the reference is, for the table.

    Returns
    -------
    pandas.DataFrame
        One row per band, `COLUMNS`; the last band has no upper end. No rows where there is nothing to
        measure from. A band without tissue has an empty density.

    Notes
    -----
    Distances run from the centre of an object's map pixel to the nearest centre of a reference pixel, so they
    are right to one map pixel (about 8 um). The frame of the image is no edge of tissue.
    """
    if not reference.any():
        return _table([])
    distance = _distance_um(reference, (tissue.um_y, tissue.um_x))
    inside = tissue.contains(x_um, y_um)
    column = np.floor(x_um[inside] / tissue.um_x).astype(np.int64)
    row = np.floor(y_um[inside] / tissue.um_y).astype(np.int64)
    of_objects, of_tissue = distance[row, column], distance[tissue.mask]
    rows = []
    for low, high in itertools.pairwise(BAND_EDGES_UM):
        number = int(np.count_nonzero((of_objects >= low) & (of_objects < high)))
        pixels = int(np.count_nonzero((of_tissue >= low) & (of_tissue < high)))
        area = pixels * tissue.pixel_mm2
        interval = poisson_interval(number, area, 1.0)
        end = high if np.isfinite(high) else None
        rows.append((name, low, end, area, number, density(number, area).value, interval.low, interval.high))
    return _table(rows)


def _distance_um(reference: NDArray[np.bool_], pixel_um: tuple[float, float]) -> NDArray[np.float64]:
    """Distance of each map pixel to the nearest of the reference, centre to centre.

    SciPy would hold both ways of every pixel of a large map as floats; they are needed a few rows at a time.
    """
    nearest = ndimage.distance_transform_edt(
        ~reference, sampling=pixel_um, return_distances=False, return_indices=True
    )
    out = np.empty(reference.shape)
    columns = np.arange(reference.shape[1])
    for top in range(0, len(out), _ROWS):
        rows = np.arange(top, min(top + _ROWS, len(out)))
        down = (nearest[0, rows[0] : rows[-1] + 1] - rows[:, None]) * pixel_um[0]
        across = (nearest[1, rows[0] : rows[-1] + 1] - columns) * pixel_um[1]
        out[rows[0] : rows[-1] + 1] = np.sqrt(down * down + across * across)
    return out


def _table(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    columns = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
    return pd.DataFrame(
        {name: np.array(values, _dtype(name)) for name, values in zip(COLUMNS, columns, strict=True)}
    )


def _dtype(column: str) -> str:
    return {"reference": "object", "counted": "int64"}.get(column, "float64")
