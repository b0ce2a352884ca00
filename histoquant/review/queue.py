"""Which fields a reader sees, in which order, under which names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from histoquant.errors import UsageError
from histoquant.review.log_file import Item
from histoquant.review.tissue_grid import TissueGrid

LEAST_TISSUE = 0.6
"""Share of a field that must be tissue."""
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that reads as another
_LENGTH = 5


def draw_fields(
    tissue: Mapping[str, TissueGrid], fields: int, edge_um: float, rng: np.random.Generator
) -> list[Item]:
    """Draw square fields on the tissue, the same number from each slide as far as it goes.

    Parameters
    ----------
    tissue : mapping of str to TissueGrid
        By slide_id.
    fields : int
        Fields in all; 0 shows each slide whole.
    edge_um : float
        Edge of a field.
    rng : numpy.random.Generator
        Decides place, order and names.

    Returns
    -------
    list of Item
        Shuffled, so that neither order nor name tells a slide from another.

    Raises
    ------
    UsageError
        If no slide has room for a field.
    """
    if fields == 0:
        whole = [(slide_id, 0.0, 0.0, *_size_um(grid)) for slide_id, grid in sorted(tissue.items())]
        return _masked(whole, rng)
    places = {slide_id: _places(grid, edge_um, rng) for slide_id, grid in sorted(tissue.items())}
    chosen: list[tuple[str, float, float, float, float]] = []
    names = [name for name, places_ in places.items() if len(places_)]
    if not names:
        raise UsageError(f"no slide has tissue for a field of {edge_um:g} um. Choose a smaller --field-um.")
    turn = 0
    while len(chosen) < fields and any(len(places[name]) > turn for name in names):
        for name in rng.permutation(names):
            if turn < len(places[name]) and len(chosen) < fields:
                x, y = places[name][turn]
                chosen.append((str(name), float(x), float(y), edge_um, edge_um))
        turn += 1
    return _masked(chosen, rng)


def _size_um(grid: TissueGrid) -> tuple[float, float]:
    return grid.mask.shape[1] * grid.cell_um, grid.mask.shape[0] * grid.cell_um


def _places(grid: TissueGrid, edge_um: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Corners of fields that do not overlap, in random order; a grid of fields at a random offset."""
    step = max(1, round(edge_um / grid.cell_um))
    rows, columns = grid.mask.shape
    if rows < step or columns < step:
        return np.zeros((0, 2))
    y0, x0 = rng.integers(0, step, 2)
    ys, xs = np.arange(y0, rows - step + 1, step), np.arange(x0, columns - step + 1, step)
    total = np.zeros((rows + 1, columns + 1), np.int64)
    total[1:, 1:] = grid.mask.cumsum(axis=0).cumsum(axis=1)
    y, x = (axis.ravel() for axis in np.meshgrid(ys, xs, indexing="ij"))
    held = total[y + step, x + step] - total[y, x + step] - total[y + step, x] + total[y, x]
    kept = np.flatnonzero(held >= LEAST_TISSUE * step * step)
    return np.asarray(np.column_stack([x, y])[rng.permutation(kept)] * grid.cell_um, np.float64)


def _masked(places: Sequence[tuple[str, float, float, float, float]], rng: np.random.Generator) -> list[Item]:
    names: dict[str, None] = {}
    while len(names) < len(places):
        names.setdefault("".join(rng.choice(list(_LETTERS), _LENGTH)))
    order = rng.permutation(len(places))
    return [Item(name, *places[k]) for name, k in zip(names, order, strict=True)]
