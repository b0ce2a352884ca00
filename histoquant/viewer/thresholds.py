"""Another threshold tried on the cell table: classes and numbers of the slide without a pixel read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from histoquant.metrics.density import density, poisson_interval
from histoquant.viewer.slide_overlay import SlideOverlay, classes_of

BINS = 120


@dataclass(frozen=True)
class Numbers:
    """What a threshold makes of a slide.

    Attributes
    ----------
    nuclei, positive : int
    positive_percent : float or None
    per_mm2, per_mm2_low, per_mm2_high : float or None
        With the exact Poisson interval; None without tissue.
    """

    nuclei: int
    positive: int
    positive_percent: float | None
    per_mm2: float | None
    per_mm2_low: float | None
    per_mm2_high: float | None


@dataclass(frozen=True)
class ScoredCells:
    """Cells that a threshold parts.

    Attributes
    ----------
    dab_od : ndarray of float64, shape (n,)
        NaN, where a cell could not be scored, compares as below every threshold.
    classes : ndarray of uint8, shape (n,)
        As drawn; changed in place.
    machine_od : float
        Threshold of the run.
    beyond_nuclei : float
        Cells that the machine counted by area.
    tissue_mm2 : float
        0 where no density is to be told.
    """

    dab_od: NDArray[np.float64]
    classes: NDArray[np.uint8]
    machine_od: float
    beyond_nuclei: float
    tissue_mm2: float

    @classmethod
    def of(cls, overlay: SlideOverlay) -> Self:
        """All cells of a slide."""
        cells = overlay.objects.cells
        machine = int(np.count_nonzero(cells["positive"].to_numpy(zero_copy_only=False).astype(bool)))
        return cls(
            cells["dab_od"].to_numpy(zero_copy_only=False).astype(np.float64),
            overlay.classes,
            float(overlay.row["dab_threshold_od"]),
            float(overlay.row["positive"]) - machine,
            float(overlay.row["tissue_mm2"]),
        )


class ThresholdTrial:
    """Cells under a threshold that moves.

    Every marker that scores cells does so by one number per cell, ``dab_od >= threshold``, so the cell table
    is enough. What the machine counts beyond its nuclei (by stained area, in sheets) does not move with it
    and is kept as it was counted.

    Parameters
    ----------
    cells : ScoredCells
        Their ``classes`` are changed in place.

    Attributes
    ----------
    machine_od : float
        Threshold of the run.
    threshold_od : float
        Threshold now.
    """

    def __init__(self, cells: ScoredCells) -> None:
        self._cells = cells
        self.dab_od = cells.dab_od
        self.machine_od = cells.machine_od
        self.threshold_od = self.machine_od

    def histogram(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Cells per bin of OD, and the edges of the bins."""
        known = self.dab_od[np.isfinite(self.dab_od)]
        top = max(float(np.quantile(known, 0.999)) if known.size else 0.0, 2.5 * self.machine_od)
        counts, edges = np.histogram(known, bins=BINS, range=(0.0, top))
        return counts.astype(np.int64), edges

    def move(self, threshold_od: float) -> Numbers:
        """Reclassify every cell, in place, and count."""
        self.threshold_od = threshold_od
        positive = self.dab_od >= threshold_od
        self._cells.classes[:] = classes_of(positive)
        return self._numbers(int(np.count_nonzero(positive)))

    def _numbers(self, among_nuclei: int) -> Numbers:
        nuclei = len(self.dab_od)
        positive = round(among_nuclei + self._cells.beyond_nuclei)
        area_mm2 = self._cells.tissue_mm2
        percent = 100.0 * positive / nuclei if nuclei else None
        if not area_mm2 > 0:
            return Numbers(nuclei, positive, percent, None, None, None)
        interval = poisson_interval(positive, area_mm2)
        return Numbers(
            nuclei,
            positive,
            percent,
            density(positive, area_mm2).value,
            interval.low,
            interval.high,
        )
