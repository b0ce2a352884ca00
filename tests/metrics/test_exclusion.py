"""What leaving artefacts out does to the main density is told exactly, and flagged when it matters."""

from __future__ import annotations

import pytest

from histoquant.metrics.exclusion import Exclusion, by_kind, exclusion_columns, exclusion_flags


def told(counted: int | None, area: float, whole: int | None, excluded: float):  # type: ignore[no-untyped-def]
    columns = exclusion_columns(Exclusion(counted, area, whole, excluded))
    return (*(each.value for each in columns.values()), exclusion_flags(columns))


def test_the_density_over_all_tissue_and_how_far_it_is_off() -> None:
    density, effect, flags = told(100, 1.0, 180, 0.5)
    assert density == pytest.approx(120.0)
    assert effect == pytest.approx(20.0)
    assert flags == ["EXCLUSION_MATTERS"]


def test_an_artefact_like_the_rest_of_the_tissue_changes_nothing() -> None:
    assert told(100, 1.0, 150, 0.5) == (100.0, 0.0, [])


def test_cells_hidden_by_an_artefact_matter_as_much_as_cells_made_by_it() -> None:
    _, effect, flags = told(100, 1.0, 100, 0.25)
    assert effect == pytest.approx(-20.0)
    assert flags == ["EXCLUSION_MATTERS"]


def test_a_negative_slide_whose_artefacts_look_positive() -> None:
    density, effect, flags = told(0, 1.0, 12, 0.5)
    assert density == pytest.approx(8.0)
    assert effect is None
    assert flags == ["EXCLUSION_MATTERS"]


def test_a_clean_negative_slide_and_one_that_counts_nothing() -> None:
    assert told(0, 1.0, 0, 0.0) == (0.0, 0.0, [])
    assert told(None, 1.0, None, 0.1) == (None, None, [])


def test_areas_by_kind_read_as_one_cell() -> None:
    assert by_kind({"fold": 0.012, "blur": 0.0, "pen": 0.2}) == "fold=0.0120;pen=0.2000"
    assert by_kind({"fold": 0.0}) == ""
