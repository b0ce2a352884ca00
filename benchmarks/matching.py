"""One-to-one matching of found points to true ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Matched:
    """Pairs of true and found points, and how many there were of each."""

    true_index: NDArray[np.int64]
    found_index: NDArray[np.int64]
    true_count: int
    found_count: int

    @property
    def recall(self) -> float:
        """Share of true points that were found."""
        return len(self.true_index) / self.true_count if self.true_count else float("nan")

    @property
    def precision(self) -> float:
        """Share of found points that are true."""
        return len(self.true_index) / self.found_count if self.found_count else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN where both sets are empty (Reinke 2024)."""
        total = self.true_count + self.found_count
        return 2 * len(self.true_index) / total if total else float("nan")


def match_points(true_um: NDArray[np.float64], found_um: NDArray[np.float64], radius_um: float) -> Matched:
    """Pair points greedily, nearest pair first, each point at most once.

    Parameters
    ----------
    true_um, found_um : ndarray of float64, shape (n, 2)
        Positions in micrometres.
    radius_um : float
        Largest distance of a pair.

    Returns
    -------
    Matched
    """
    none = np.zeros(0, np.int64)
    if not len(true_um) or not len(found_um):
        return Matched(none, none, len(true_um), len(found_um))
    near = cKDTree(true_um).sparse_distance_matrix(cKDTree(found_um), radius_um, output_type="coo_matrix")
    order = np.lexsort((near.col, near.row, near.data))
    taken_true, taken_found = np.zeros(len(true_um), bool), np.zeros(len(found_um), bool)
    pairs = []
    for true, found in zip(near.row[order], near.col[order], strict=True):
        if not taken_true[true] and not taken_found[found]:
            taken_true[true] = taken_found[found] = True
            pairs.append((true, found))
    index = np.array(pairs, np.int64).reshape(-1, 2)
    return Matched(index[:, 0], index[:, 1], len(true_um), len(found_um))
