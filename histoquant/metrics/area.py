"""Stained area: share of tissue over the threshold, and cells by area where nuclei are hidden."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoquant.errors import UsageError
from histoquant.metrics.measured import Measured

MIN_SINGLE_CELLS = 20
"""A median area of fewer cells is left out rather than trusted."""


@dataclass(frozen=True)
class DabHistogram:
    """DAB of every quantifiable pixel of a slide, as exact counts.

    Attributes
    ----------
    counts : ndarray of int64, shape (n,)
        Bin i holds pixels with ``first_mod + i step_mod <= DAB < first_mod + (i + 1) step_mod``, in
        thousandths of optical density; the first and the last bin also hold what lies beyond.
    first_mod : int
        Lower edge of the first bin.
    step_mod : int
        Width of a bin.
    """

    counts: NDArray[np.int64]
    first_mod: int = 0
    step_mod: int = 1

    def total_px(self) -> int:
        """All pixels."""
        return int(self.counts.sum())

    def at_least_px(self, threshold_od: float) -> int:
        """Pixels at or above a threshold, which must fall on the edge of a bin."""
        offset = round(threshold_od * 1000) - self.first_mod
        if offset % self.step_mod:
            raise UsageError(
                f"the threshold {threshold_od} is not on a bin edge of the DAB histogram "
                f"({self.first_mod} + n x {self.step_mod} thousandths); choose the nearest edge."
            )
        first = offset // self.step_mod
        if not 0 < first < len(self.counts):
            raise UsageError(f"the threshold {threshold_od} lies outside the DAB histogram.")
        return int(self.counts[first:].sum())


def area_fraction(histogram: DabHistogram | None, threshold_od: float) -> Measured:
    """Share of quantifiable tissue pixels at or above the threshold, 0 - 1 (formula F4).

    Parameters
    ----------
    histogram : DabHistogram or None
        Over quantifiable tissue.
    threshold_od : float
        DAB optical density.

    Returns
    -------
    Measured
        ``NO_STAIN_HISTOGRAM`` without one, ``NO_TISSUE`` for an empty one.
    """
    if histogram is None:
        return Measured.missing("NO_STAIN_HISTOGRAM")
    total = histogram.total_px()
    if total == 0:
        return Measured.missing("NO_TISSUE")
    return Measured(histogram.at_least_px(threshold_od) / total)


def cell_area_um2(single_cell_areas_um2: NDArray[np.float64]) -> Measured:
    """Median stained area of objects with exactly one nucleus: what one positive cell covers."""
    if len(single_cell_areas_um2) < MIN_SINGLE_CELLS:
        return Measured.missing("NO_CELL_AREA")
    return Measured(float(np.median(single_cell_areas_um2)))


def positive_by_area(positive_area_um2: float, cell_area: Measured) -> Measured:
    """Positive cells as stained area over the area of one cell: counts cells whose nucleus is hidden.

    Beside the count of nucleated cells this is the second opinion on macrophages, whose profiles
    often miss the nucleus; a ratio of the two outside 0.5 - 2 is flagged COUNT_MODES_DISAGREE.
    """
    if cell_area.value is None:
        return Measured.missing(cell_area.reason or "NO_CELL_AREA")
    return Measured(positive_area_um2 / cell_area.value)
