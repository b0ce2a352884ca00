"""Features of every cell that do not depend on a threshold, from exact integer sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from histoquant.markers.definition import MarkerDefinition
from histoquant.objects.cell_directions import PERCENTS, percentiles
from histoquant.objects.cell_kinds import CYTOPLASM, NUCLEUS, RING, Reaches
from histoquant.objects.cell_sums import SHARES, CellSums, sum_cells
from histoquant.objects.columns import to_table
from histoquant.objects.label_runs import (
    CUT_DIAGONAL,
    CUT_STRAIGHT,
    SUM_X,
    SUM_XX,
    SUM_XY,
    SUM_Y,
    SUM_YY,
    LabelRuns,
)
from histoquant.objects.nearest import UNIT
from histoquant.objects.nuclei import AROUND_UM, Nuclei
from histoquant.objects.planes import Planes
from histoquant.objects.stained import StainedObjects
from histoquant.objects.surroundings import Surroundings, surroundings_of

FloatArray = npt.NDArray[np.float64]

_MOD = 1000.0
# Stain close to a nucleus on most sides is that cell's own: a neighbour's lies on one side. The shells
# span the blurred edge of a nucleus (1 um either side) and the cytoplasm next to it.
RIM_UM, CLOSE_UM = 1.0, 1.0


def cell_surroundings(
    planes: Planes,
    nuclei: Nuclei,
    marker: MarkerDefinition,
    rows: npt.NDArray[np.integer] | None = None,
    stained: StainedObjects | None = None,
) -> Surroundings:
    """Surroundings of nuclei as far as `measure_cells` looks.

    Parameters
    ----------
    planes : Planes
        Stain planes of the window.
    nuclei : Nuclei
        Nuclei of the same window.
    marker : MarkerDefinition
        Reach of ring and cytoplasm.
    rows : ndarray of int, shape (n,), optional
        Which nuclei are wanted, counted from 0, ascending; all when left out. The others still keep their
        surroundings to themselves.
    stained : StainedObjects, optional
        Of the same window, to be linked to cells.

    Returns
    -------
    Surroundings
    """
    index = np.arange(len(nuclei.seeds)) if rows is None else rows
    return surroundings_of(planes, nuclei.runs, index, _reaches(marker, planes.mpp), stained)


def measure_cells(
    planes: Planes,
    nuclei: Nuclei,
    marker: MarkerDefinition,
    rows: npt.NDArray[np.integer] | None = None,
    around: Surroundings | None = None,
) -> pa.Table:
    """Measure nuclei and the cells around them.

    Parameters
    ----------
    planes : Planes
        Stain planes of the window.
    nuclei : Nuclei
        Nuclei of the same window.
    marker : MarkerDefinition
        Reach of ring and cytoplasm.
    rows : ndarray of int, shape (n,), optional
        Which nuclei to measure, counted from 0, ascending; all when left out. The others still keep
        their surroundings to themselves.
    around : Surroundings, optional
        From `cell_surroundings` with the same ``rows``, where it is known already.

    Returns
    -------
    pyarrow.Table
        One row per nucleus in label order; positions in window pixels (pixel centres are integers).
        ``*_od`` are DAB optical densities unless named hematoxylin: means, and percentiles p25 to p90 of
        pixels. ``around_dab_pXX_od`` are percentiles over eight directions of the mean DAB within 2.5 um
        outside the nucleus. The ring lies within ``ring_um`` of the nucleus, the cytoplasm within
        ``cytoplasm_um``, both not nearer to another nucleus. Features of a compartment without pixels are
        NaN. ``edge_od`` is that of `Nuclei`. ``stained_area_um2`` is the area of nucleus and cytoplasm at or
        over the marker's threshold.
    """
    if around is None:
        around = cell_surroundings(planes, nuclei, marker, rows)
    index = np.arange(len(nuclei.seeds)) if rows is None else rows
    return to_table(measured_columns(planes, nuclei, marker, index, around))


def measured_columns(
    planes: Planes,
    nuclei: Nuclei,
    marker: MarkerDefinition,
    index: npt.NDArray[np.integer],
    around: Surroundings,
) -> dict[str, npt.NDArray[np.generic]]:
    """Columns of `measure_cells`, with the same arguments."""
    own = nuclei.runs.taken(index.astype(np.intp))
    if not planes.whole:
        numbers = np.full(len(nuclei.seeds) + 1, -1, np.int32)
        numbers[index + 1] = np.arange(len(index), dtype=np.int32)
        own = LabelRuns.of(np.where(planes.valid, nuclei.labels, 0), numbers)
    sums = sum_cells(planes, own, around, round(marker.threshold_od * _MOD))
    return {
        "seed_y_px": nuclei.seeds[index, 0],
        "seed_x_px": nuclei.seeds[index, 1],
        **_shape(sums, planes.mpp),
        **_stain(sums),
        **_around(sums),
        "edge_od": nuclei.edge_od[index],
        "stained_area_um2": sums.stained_pixels * planes.mpp**2,
        "nucleus_px": sums.pixels[:, NUCLEUS].astype(np.int32),
        "ring_px": sums.pixels[:, RING].astype(np.int32),
        "cytoplasm_px": sums.pixels[:, CYTOPLASM].astype(np.int32),
    }


def _reaches(marker: MarkerDefinition, mpp: float) -> Reaches:
    return Reaches(
        ring=_units(marker.ring_um, mpp),
        close=_units(CLOSE_UM, mpp),
        around=_units(AROUND_UM, mpp),
        cytoplasm=_units(marker.cytoplasm_um, mpp),
        rim=max(1, round(RIM_UM / mpp)),
    )


def _units(um: float, mpp: float) -> int:
    return round(um / mpp * UNIT)


def _divide(total: npt.NDArray[np.int64], count: npt.NDArray[np.int64]) -> FloatArray:
    quotient = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.asarray(quotient, dtype=np.float64)


def _centre(total: npt.NDArray[np.int64], count: npt.NDArray[np.int64]) -> FloatArray:
    """Mean to the nearest 1/1024 px: adding the window's corner to it is then exact."""
    half = np.maximum(count, 1)
    return np.where(count > 0, (2 * 1024 * total + half) // (2 * half) / 1024.0, np.nan)


def _shape(sums: CellSums, mpp: float) -> dict[str, FloatArray]:
    """Area, axes of the ellipse of inertia, and Crofton's perimeter over four directions."""
    n, moment = sums.pixels[:, NUCLEUS], sums.shape
    x, y = _centre(moment[:, SUM_X], n), _centre(moment[:, SUM_Y], n)
    # integers before the division: moments about the mean lose nothing wherever the window lies
    vx = _divide(n * moment[:, SUM_XX] - moment[:, SUM_X] ** 2, n * n) + 1 / 12
    vy = _divide(n * moment[:, SUM_YY] - moment[:, SUM_Y] ** 2, n * n) + 1 / 12
    vxy = _divide(n * moment[:, SUM_XY] - moment[:, SUM_X] * moment[:, SUM_Y], n * n)
    half, spread = (vx + vy) / 2, np.sqrt(((vx - vy) / 2) ** 2 + vxy**2)
    major, minor = 4 * np.sqrt(half + spread), 4 * np.sqrt(np.maximum(half - spread, 0))
    # crossings times the spacing of their lines, averaged over 4 directions, times pi / 2
    perimeter = np.pi / 8 * (moment[:, CUT_STRAIGHT] + moment[:, CUT_DIAGONAL] / np.sqrt(2)) * mpp
    area = n * mpp**2
    ratio = np.divide(minor, major, out=np.full(len(n), np.nan), where=major > 0)
    circularity = np.divide(4 * np.pi * area, perimeter**2, out=np.full(len(n), np.nan), where=perimeter > 0)
    return {
        "centroid_y_px": y,
        "centroid_x_px": x,
        "nucleus_area_um2": area,
        "perimeter_um": perimeter,
        "circularity": np.minimum(circularity, 1.0),
        "eccentricity": np.sqrt(np.maximum(1 - ratio**2, 0)),
        "major_axis_um": major * mpp,
        "minor_axis_um": minor * mpp,
    }


def _stain(sums: CellSums) -> dict[str, FloatArray]:
    dab = _divide(sums.dab, sums.pixels) / _MOD
    quantile = sums.quantiles / _MOD
    cell = sums.dab[:, NUCLEUS] + sums.dab[:, CYTOPLASM]
    columns = {
        "hematoxylin_od": _divide(sums.hematoxylin, sums.pixels[:, NUCLEUS]) / _MOD,
        "cell_dab_od": _divide(cell, sums.pixels[:, NUCLEUS] + sums.pixels[:, CYTOPLASM]) / _MOD,
    }
    for part, name in ((NUCLEUS, "nucleus"), (RING, "ring"), (CYTOPLASM, "cytoplasm")):
        columns[f"{name}_dab_od"] = dab[:, part]
        for k, share in enumerate(SHARES):
            columns[f"{name}_dab_p{round(100 * share)}_od"] = quantile[:, part, k]
    return columns


def _around(sums: CellSums) -> dict[str, npt.NDArray[np.generic]]:
    """Percentiles over directions."""
    columns: dict[str, npt.NDArray[np.generic]] = {"directions": sums.directions}
    held = percentiles(np.sort(sums.around, axis=1), sums.directions)
    return columns | {f"around_dab_p{percent}_od": held[k] for k, percent in enumerate(PERCENTS)}
