"""From one marker's slides in one biopsy to its numbers: sums over sections, never means of densities."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from histoquant.metrics.aggregates import MIN_DIFFUSE_MM2
from histoquant.metrics.density import MIN_AREA_MM2, poisson_interval

_USABLE = ("OK", "OK_WITH_FLAGS")
# Nothing in tissue is more clustered than this; an upper end for the search, far above any real value.
_MAX_OVERDISPERSION = 1e4


@dataclass(frozen=True, slots=True)
class Density:
    """A pooled density.

    Attributes
    ----------
    count : float
        Sum of counts N.
    area_mm2 : float
        Sum of areas A.
    overdispersion : float
        How much wider than Poisson the counts scatter, >= 1.
    """

    count: float
    area_mm2: float
    overdispersion: float = 1.0

    @property
    def per_mm2(self) -> float:
        """``N / A``; NaN without area."""
        return self.count / self.area_mm2 if self.area_mm2 > 0 else math.nan

    @property
    def interval_per_mm2(self) -> tuple[float, float]:
        """Exact 95 % Poisson interval, widened by the overdispersion; NaN without area.

        It holds the counting error within the sections only, not that of choosing them.
        """
        if not (self.area_mm2 > 0 and math.isfinite(self.count)):
            return math.nan, math.nan
        interval = poisson_interval(self.count, self.area_mm2, self.overdispersion)
        return (
            math.nan if interval.low is None else interval.low,
            math.nan if interval.high is None else interval.high,
        )

    def columns(self, name: str) -> dict[str, float]:
        """Return ``name``, ``name_low`` and ``name_high``."""
        low, high = self.interval_per_mm2
        return {name: self.per_mm2, f"{name}_low": low, f"{name}_high": high}


def implied_overdispersion(count: float, area_mm2: float, high_per_mm2: float) -> float:
    """Return the overdispersion that a slide's upper limit was widened by; 1 when it was not.

    Parameters
    ----------
    count : float
        Cells or vessels on the slide.
    area_mm2 : float
        Evaluable tissue.
    high_per_mm2 : float
        The slide's upper 95 % limit.
    """

    def excess(overdispersion: float) -> float:
        return Density(count, area_mm2, overdispersion).interval_per_mm2[1] - high_per_mm2

    if not (count > 0 and area_mm2 > 0 and math.isfinite(high_per_mm2)):
        return 1.0
    # tables carry nine digits: what is smaller is rounding
    if excess(1.0) >= -1e-6 * high_per_mm2 or excess(_MAX_OVERDISPERSION) <= 0:
        return 1.0
    from scipy.optimize import brentq  # slow to load, and only used where slides are pooled

    return float(brentq(excess, 1.0, _MAX_OVERDISPERSION, xtol=1e-9))


@dataclass(frozen=True, slots=True)
class Readings:
    """The slides of one marker in one biopsy, as rows of ``slides.csv``.

    Attributes
    ----------
    rows : sequence of mappings
        Column name to value; None or NaN where empty.
    """

    rows: Sequence[Mapping[str, Any]]

    @property
    def usable(self) -> Readings:
        """Only the slides that were quantified."""
        return Readings([row for row in self.rows if row["status"] in _USABLE])

    @property
    def area_mm2(self) -> float:
        """Evaluable tissue of all sections."""
        return math.fsum(number(row, "tissue_mm2") for row in self.rows)

    def total(self, column: str) -> float:
        """Sum a count over the sections; NaN if any lacks it."""
        return math.fsum(number(row, column) for row in self.rows) if self.rows else math.nan

    def percent(self, column: str) -> float:
        """Pool an area share in percent: sum of areas over sum of areas."""
        if not self.area_mm2 > 0:
            return math.nan
        return math.fsum(number(row, column) * number(row, "tissue_mm2") for row in self.rows) / self.area_mm2

    def density(self, column: str) -> Density:
        """Pool a count to a density, as wide as the slides' own intervals say."""
        return Density(self.total(column), self.area_mm2, self.overdispersion(column))

    def overdispersion(self, column: str) -> float:
        """Mean overdispersion of the sections, weighted by their counts: variances of counts add."""
        counts = [number(row, column) for row in self.rows]
        if not math.fsum(counts) > 0:
            return 1.0
        weighted = [
            count * _row_overdispersion(row, column, count)
            for row, count in zip(self.rows, counts, strict=True)
        ]
        return math.fsum(weighted) / math.fsum(counts)

    def names(self, column: str) -> list[str]:
        """Return the distinct texts in a column, sorted."""
        return sorted({str(row[column]) for row in self.rows if row.get(column) is not None})


def _row_overdispersion(row: Mapping[str, Any], column: str, count: float) -> float:
    given = number(row, "overdispersion")
    if given >= 1:
        return given
    # a slide's main density, whose limits these are, counts vessels where the marker stains vessels
    main = "positive" if column == "vessels" else column
    limits = (number(row, f"{name}_per_mm2_high") for name in (column, main))
    high = next((limit for limit in limits if math.isfinite(limit)), math.nan)
    return implied_overdispersion(count, number(row, "tissue_mm2"), high)


def number(row: Mapping[str, Any], column: str) -> float:
    """Return a cell as a float, NaN where it is empty, absent or no number."""
    value = row.get(column)
    try:
        return float(value) if value is not None else math.nan
    except (TypeError, ValueError):
        return math.nan


def hindrance(readings: Readings) -> str | None:
    """Return the reason code why a marker's slides give no value, or None when they do."""
    if not readings.rows:
        return "MISSING"
    usable = readings.usable
    if not usable.rows:
        return ", ".join(
            sorted({f"{row['status']} {_code(row.get('reason'))}".strip() for row in readings.rows})
        )
    places = [(row.get("section"), row.get("block")) for row in usable.rows]
    if len(set(places)) < len(places):
        files = ", ".join(sorted(str(row.get("slide_id")) for row in usable.rows))
        return (
            f"DUPLICATE_SECTION ({files}: give each its section or block in the slide table, or remove one)"
        )
    if len(usable.names("clone")) > 1:
        return f"MIXED_CLONES ({', '.join(usable.names('clone'))})"
    if usable.area_mm2 == 0:
        return "NO_TISSUE"
    return None


def _code(reason: object) -> str:
    match = re.match(r"[A-Z][A-Z0-9_]+", reason) if isinstance(reason, str) else None
    return match[0] if match else ""


def state(readings: Readings, values: Iterable[float]) -> str:
    """Return a marker's status, OK, INSUFFICIENT_TISSUE or NOT_MEASURED, and how many slides it left out."""
    usable = readings.usable
    left_out = (
        f" ({len(usable.rows)} of {len(readings.rows)} slides)"
        if len(usable.rows) < len(readings.rows)
        else ""
    )
    if any(math.isnan(value) for value in values):
        return f"NOT_MEASURED{left_out}"
    if usable.area_mm2 < MIN_AREA_MM2:
        return f"INSUFFICIENT_TISSUE ({usable.area_mm2:.3g} mm2 < {MIN_AREA_MM2:g} mm2){left_out}"
    return f"OK{left_out}"


def diffuse(readings: Readings) -> tuple[Density, str | None]:
    """Pool the density of CD20 cells outside aggregates, over the area outside aggregates.

    Slide tables hold the diffuse density and the aggregates' area share, so each slide's count is
    ``diffuse_per_mm2 * A * (1 - share)``, a whole number but for the table's rounding.

    Returns
    -------
    Density
        With NaN count when it cannot be told.
    str or None
        ``ALL_AGGREGATE`` when too little lies outside aggregates, ``NOT_MEASURED``, or None.
    """
    counts, areas = [], []
    for row in readings.rows:
        outside = number(row, "tissue_mm2") * (1 - number(row, "aggregate_area_percent") / 100)
        per_mm2 = number(row, "diffuse_per_mm2")
        # a section that is all aggregate has no diffuse density, and no area to add
        if not (math.isnan(per_mm2) and outside < MIN_DIFFUSE_MM2):
            counts.append(per_mm2 * outside)
            areas.append(outside)
    area = math.fsum(areas)
    if math.isnan(area) or any(math.isnan(count) for count in counts):
        return Density(math.nan, math.nan), "NOT_MEASURED"
    if area < MIN_DIFFUSE_MM2:
        return Density(math.nan, math.nan), "ALL_AGGREGATE"
    return Density(
        math.fsum(round(count) for count in counts), area, readings.overdispersion("positive")
    ), None
