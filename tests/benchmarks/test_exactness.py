"""The benchmark of exactness goes every way it says and can tell a difference."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def exactness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("exactness")


def test_every_way_is_there_and_any_changed_byte_is_seen(exactness: ModuleType, tmp_path: Path):
    ways = exactness.ways(quick=False)
    assert len(ways) == len(set(ways)) == 35
    (tmp_path / "slides.csv").write_text("a")
    (tmp_path / "log.jsonl").write_text("a")
    before = exactness.digests(tmp_path)
    assert list(before) == ["slides.csv"]
    (tmp_path / "slides.csv").write_text("b")
    assert exactness.digests(tmp_path) != before
