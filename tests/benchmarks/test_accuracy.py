"""The accuracy page: counts are pooled, claims follow from them, and a subset makes a whole page."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from histoquant.phantoms import Family


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    cache = importlib.import_module("accuracy_cache")
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    return importlib.import_module


def _record(name: str, hits: int, positive: tuple[int, int], **more: Any) -> dict[str, Any]:
    nuclei = {"true": 100, "found": 100, "found_strict": 110, "hits_6um": hits, "hits_3um": hits - 10}
    classes = {
        "classed": hits,
        "right": hits - 1,
        "positive_found": positive[0],
        "positive_true": positive[1],
    }
    areas = {"tissue": [1.0, 1.0], "excluded": [0.0, 0.0], "flags": [], "threshold_od": 0.2}
    record = {"name": name, "marker": name.split("-")[0], "nuclei": nuclei, "plain": nuclei}
    return {**record, **classes, **areas, **more}


def test_counts_are_pooled_not_averaged(load: Any) -> None:
    tables = load("accuracy_tables")
    few = {"nuclei": {"true": 1, "found": 1, "found_strict": 1, "hits_6um": 0, "hits_3um": 0}}
    pooled = tables.Detected.of([_record("CD68-normal", 100, (10, 10)), few])
    assert pooled.f1_6um == pytest.approx(200 / 202)
    assert tables.Detected().f1_6um is None


def test_every_family_has_a_group(load: Any) -> None:
    from histoquant.phantoms import families

    tables = load("accuracy_tables")
    lost = [one.name for one in families() if tables.group_of(one.name) == tables.OTHER]
    assert lost == ["CD68-blank"]


def test_agreement_is_one_only_without_difference(load: Any) -> None:
    claims = load("accuracy_claims")
    true = np.array([10.0, 40.0, 90.0, 160.0])
    assert claims.icc_agreement(true, true) == pytest.approx(1.0)
    assert claims.icc_agreement(true + 60, true) < 0.9
    # McGraw and Wong's case of ratings without any relation
    assert abs(claims.icc_agreement(np.array([1.0, 2, 1, 2]), np.array([1.0, 1, 2, 2]))) < 0.2
    assert np.isnan(claims.icc_agreement(np.ones(3), np.ones(3)))


@pytest.mark.parametrize(("found", "holds"), [(103, True), (107, False)])
def test_bias_decides_its_line(load: Any, found: int, holds: bool) -> None:
    claims = load("accuracy_claims")
    records = {"family": [_record(f"CD68-{k}", 95, (found, 100)) for k in range(3)]}
    bias = next(claim for claim in claims.must_show(records) if "bias" in claim.asked)
    assert bias.holds is holds
    assert bias.measured == f"{found - 100:+.1f} %"


def test_negative_slides_are_held_against_their_own_control(load: Any) -> None:
    claims = load("accuracy_claims")
    slide = {"marker": "CD68", "kind": "blue", "refused": "", "tissue_mm2": 0.1, "positive_per_mm2": 3.0}
    glass = {"marker": "CD68", "kind": "glass", "refused": "NO_TISSUE"}
    records = {"control": [{"marker": "CD68", "per_mm2": {"plain": 100.0}}], "pure": [slide, glass]}
    (claim,) = claims.must_show(records)
    assert claim.holds is False
    assert "3.0 % (CD68 blue" in claim.measured
    assert "1 refused" in claim.measured


def test_a_subset_is_measured_once_and_makes_a_page(load: Any, tmp_path: Path) -> None:
    cache: ModuleType = load("accuracy_cache")
    cases, page = load("accuracy_cases"), load("accuracy_page")
    family = Family("CD68-normal", "CD68", "small", size_um=160.0)
    first = cache.remembered("family", "small", lambda: cases.family_record(family), "digest")

    def again() -> None:
        raise AssertionError("measured twice")

    assert cache.remembered("family", "small", again, "digest") == first
    assert first["nuclei"]["true"] > 10
    assert first["nuclei"]["hits_6um"] <= min(first["nuclei"]["true"], first["nuclei"]["found"])
    text = page.write_page(tmp_path, {"family": [first]}, []).read_text()
    assert "{{" not in text
    assert f"| {first['nuclei']['found']} / {first['nuclei']['true']} |" in text
    assert page.NOT_MEASURED in text  # no real image was asked for
