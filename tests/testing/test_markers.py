"""The contract of marker rules: what is built in keeps it, every way of breaking it is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from histoquant.errors import UsageError
from histoquant.markers import MARKERS, stain_od
from histoquant.markers.definition import MarkerDefinition
from histoquant.testing import cell_table, check_marker

DEFINITION = MARKERS["CD68"]
SCORED = [name for name, marker in MARKERS.items() if marker.rule != "none"]


@pytest.mark.parametrize("name", SCORED)
def test_built_in_rules_keep_it(name: str) -> None:
    check_marker(MARKERS[name], stain_od)


def test_cells_have_every_column_the_built_in_rules_read() -> None:
    cells = cell_table(50)
    for name in SCORED:
        assert np.isfinite(stain_od(cells, MARKERS[name])).any()


def column(cells: Any) -> Any:
    return np.asarray(cells["ring_dab_p50_od"], np.float64)


def changes_the_table(cells: Any, _: MarkerDefinition) -> Any:
    cells["ring_dab_p50_od"] = column(cells) * 2
    return column(cells)


BROKEN = {
    "changes the cell table": changes_the_table,
    "two answers": lambda cells, _: column(cells) + np.random.default_rng().random(len(column(cells))),
    "dict of arrays": lambda cells, _: cells.ring_dab_p50_od.to_numpy(),
    "order of cells": lambda cells, _: np.arange(len(column(cells)), dtype=np.float64),
    "depends on other cells": lambda cells, _: column(cells) / np.nansum(np.sort(column(cells))),
    "depends on the threshold": lambda cells, marker: column(cells) - marker.threshold_od,
    "gets browner": lambda cells, _: 1.0 - column(cells),
    "scores no cell": lambda cells, _: np.full(len(column(cells)), np.nan),
    "infinities": lambda cells, _: np.full(len(column(cells)), np.inf),
    "expected float64": lambda cells, _: column(cells) > 0.2,
}


@pytest.mark.parametrize("said", BROKEN)
def test_a_broken_promise_is_named(said: str) -> None:
    rule: Any = BROKEN[said]
    with pytest.raises((UsageError, AttributeError), match=said if said != "dict of arrays" else "."):
        check_marker(DEFINITION, rule)
