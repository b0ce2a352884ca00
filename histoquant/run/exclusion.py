"""What a slide's artefacts would have added to its result, from the objects found under them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from histoquant.metrics.exclusion import Exclusion, by_kind, exclusion_columns, exclusion_flags
from histoquant.run.cell_order import JudgedPart, positive_count
from histoquant.run.plan import SlidePlan
from histoquant.store.batch_file import Batch
from histoquant.tiling.tissue_map import TissueMap


class ExclusionResult(NamedTuple):
    """Columns of the slide's row, the reasons of empty ones, and flags."""

    columns: dict[str, Any]
    reasons: dict[str, str]
    flags: list[str]


def cells_unexcluded(
    plan: SlidePlan, counted: Sequence[JudgedPart], excluded: Sequence[JudgedPart]
) -> int | None:
    """Positive cells of the slide had nothing been left out.

    Parameters
    ----------
    plan : SlidePlan
        The slide's frozen decisions.
    counted, excluded : sequence of dict
        Of `judged`: cells of all batches in quantifiable tissue, before any was dropped, and those under
        artefacts.

    Returns
    -------
    int or None
        None where there are none under artefacts, so that the slide's own count stands.
    """
    under = [part for part in excluded if len(part["dab_od"])]
    return positive_count(plan, [*counted, *under]) if under and plan.marker.rule != "none" else None


def vessels_excluded(batches: list[Batch]) -> int:
    """Vessels that begin under artefacts."""
    return sum(int(batch.counts["vessels_excluded"]) for batch in batches)


def exclusion_of(tissue: TissueMap, counted: int | None, unexcluded: int | None) -> ExclusionResult:
    """Areas left out by kind, and the main density had nothing been left out.

    Parameters
    ----------
    tissue : TissueMap
        Of the slide.
    counted : int or None
        Objects of the main density; None where the marker counts none.
    unexcluded : int or None
        The same had nothing been left out; None where it is ``counted``.

    Returns
    -------
    ExclusionResult
    """
    whole = counted if unexcluded is None else unexcluded
    measured = exclusion_columns(Exclusion(counted, tissue.tissue_mm2, whole, tissue.excluded_mm2))
    columns: dict[str, Any] = {name: each.value for name, each in measured.items()}
    columns["excluded_by_kind"] = by_kind(tissue.excluded_by_reason_mm2)
    reasons = {name: each.reason for name, each in measured.items() if each.value is None and each.reason}
    return ExclusionResult(columns, reasons, exclusion_flags(measured))
