"""Scoring against marks: doubtful cells and borders are ignored both ways, classes counted apart."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def eyes(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("eyes")


def _scored(eyes: ModuleType, found: list[tuple[float, float, int]]) -> tuple[Any, list[str]]:
    """One field of 100 um with a positive at 20, a negative at 50 and a doubtful cell at 80 um."""
    cells = pd.DataFrame(
        {"x_um": [20.0, 50.0, 80.0], "y_um": 50.0, "class": ["positive", "negative", "doubtful"]}
    )
    fields = pd.DataFrame({"x0_um": [0.0], "y0_um": [0.0], "x1_um": [100.0], "y1_um": [100.0]})
    table = pd.DataFrame(found, columns=["x_um", "y_um", "positive"])
    one, differ = eyes.score("", "", eyes.Marks(cells, fields, 0.25), SimpleNamespace(cells=table))
    return one, list(differ["wrong"])


def test_all_right(eyes: ModuleType) -> None:
    one, wrong = _scored(eyes, [(20, 50, 1), (51, 50, 0)])
    assert (one.f1_6um, one.f1_3um, one.class_accuracy) == (1.0, 1.0, 1.0)
    assert (one.positive_recall, one.positive_precision) == (1.0, 1.0)
    assert wrong == []


def test_doubtful_cells_and_the_border_count_for_nothing(eyes: ModuleType) -> None:
    plain, _ = _scored(eyes, [(20, 50, 1), (51, 50, 0)])
    more, wrong = _scored(eyes, [(20, 50, 1), (51, 50, 0), (82, 50, 1), (50, 2, 1), (50, 120, 0)])
    assert more == plain
    assert wrong == []


def test_each_error_has_its_name(eyes: ModuleType) -> None:
    one, wrong = _scored(eyes, [(50, 54, 1), (50, 80, 1)])
    assert wrong == ["missed positive", "negative called positive", "spurious positive"]
    assert one.hits == 1
    assert one.hits_3um == 0
    assert np.isclose(one.f1_6um, 0.5)
    assert one.positive_precision == 0
