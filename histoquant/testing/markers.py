"""Checks of a marker plug-in: its rule must be a pure function of each cell alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from histoquant.errors import UsageError
from histoquant.markers.definition import MarkerDefinition

FloatArray = npt.NDArray[np.float64]
# a dict of arrays, or a DataFrame
Cells = Any
Rule = Callable[[Cells, MarkerDefinition], FloatArray]

_PARTS = ("nucleus", "ring", "cytoplasm")
_PERCENTS = (25, 50, 75, 90)
_AROUND = (25, 50, 75)


def cell_table(rows: int, seed: int = 0) -> pd.DataFrame:
    """Cells with every feature a rule may read, drawn at random within plausible bounds.

    Parameters
    ----------
    rows : int
    seed : int

    Returns
    -------
    pandas.DataFrame
        Percentiles rise; one cell in ten lacks its ring, cytoplasm and surroundings (NaN), as a cell hemmed
        in by neighbours does.
    """
    rng = np.random.default_rng(seed)
    area = rng.uniform(10, 120, rows)
    columns: dict[str, FloatArray] = {
        "nucleus_area_um2": area,
        "perimeter_um": np.sqrt(4 * np.pi * area) * rng.uniform(1.0, 1.4, rows),
        "circularity": rng.uniform(0.4, 1.0, rows),
        "eccentricity": rng.uniform(0.0, 0.95, rows),
        "major_axis_um": rng.uniform(4, 15, rows),
        "minor_axis_um": rng.uniform(3, 8, rows),
        "hematoxylin_od": rng.uniform(0.05, 1.2, rows),
        "cell_dab_od": rng.gamma(1.0, 0.2, rows),
        "edge_od": rng.uniform(0.02, 0.4, rows),
        "stained_area_um2": rng.uniform(0, 100, rows),
    }
    for part in _PARTS:
        columns |= _quantiles(rng, part, _PERCENTS, rows)
        columns[f"{part}_dab_od"] = columns[f"{part}_dab_p50_od"] * rng.uniform(0.9, 1.2, rows)
    columns |= _quantiles(rng, "around", _AROUND, rows)
    table = pd.DataFrame(columns)
    hemmed = rng.random(rows) < 0.1
    lost = [name for name in table.columns if name.startswith(("ring_", "cytoplasm_", "around_"))]
    table.loc[hemmed, lost] = np.nan
    return table.assign(directions=np.where(hemmed, 0, 8).astype(np.int8))


def _quantiles(
    rng: np.random.Generator, part: str, percents: tuple[int, ...], rows: int
) -> dict[str, FloatArray]:
    rising = np.sort(rng.gamma(1.0, 0.25, (rows, len(percents))), axis=1)
    return {f"{part}_dab_p{percent}_od": rising[:, k] for k, percent in enumerate(percents)}


def check_marker(definition: MarkerDefinition, rule: Rule, seed: int = 0) -> None:
    """Raise unless a marker's rule may be used by `histoquant.markers.score`.

    Parameters
    ----------
    definition : MarkerDefinition
    rule : callable
        ``rule(cells, definition)``, as loaded by the entry point.
    seed : int
        Other cells.

    Raises
    ------
    UsageError
        Naming the promise that is broken: one float per cell; no cell's answer hangs on another's, on the
        order of rows or on the threshold; the table is left as it was; brown never lowers an answer.
    """
    cells = cell_table(400, seed)
    kept = cells.copy()
    first = _asked(rule, cells, definition)
    _require(cells.equals(kept), "changes the cell table; work on a copy")
    _require(_same(first, _asked(rule, cells, definition)), "gives two answers for the same cells")
    columns = {name: cells[name].to_numpy() for name in cells.columns}
    _require(_same(first, _asked(rule, columns, definition)), "needs a DataFrame; a dict of arrays must do")
    order = np.random.default_rng(seed).permutation(len(cells))
    shuffled = _asked(rule, cells.iloc[order], definition)
    _require(_same(first[order], shuffled), "depends on the order of cells")
    some = _asked(rule, cells.iloc[::3], definition)
    _require(_same(first[::3], some), "of one cell depends on other cells")
    _asked(rule, cells.iloc[:0], definition)
    moved = definition.model_copy(update={"threshold_od": min(2.0, 2 * definition.threshold_od)})
    _require(_same(first, _asked(rule, cells, moved)), "depends on the threshold")
    browner = cells.copy()
    stained = [name for name in cells.columns if "_dab_" in name]
    browner[stained] = browner[stained] * 1.5
    more = _asked(rule, browner, definition)
    known = ~np.isnan(first)
    _require(bool((more[known] >= first[known] - 1e-9).all()), "falls when the cell gets browner")
    _require(bool(known.any()), "scores no cell at all")


def _asked(rule: Rule, cells: Cells, definition: MarkerDefinition) -> FloatArray:
    rows = len(np.asarray(cells["hematoxylin_od"]))
    answer = np.asarray(rule(cells, definition))
    _require(
        answer.dtype == np.float64 and answer.shape == (rows,),
        f"returns {answer.dtype} of shape {answer.shape} for {rows} cells; expected float64 of ({rows},)",
    )
    _require(not np.isinf(answer).any(), "returns infinities; NaN says that a cell cannot be scored")
    return answer


def _same(a: FloatArray, b: FloatArray) -> bool:
    return bool(np.array_equal(a, b, equal_nan=True))


def _require(kept: bool, what: str) -> None:
    if not kept:
        raise UsageError(f"the rule {what}")
