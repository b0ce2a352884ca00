"""All metrics of one slide: every measured column of ``slides.csv``, each a value or a reason."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.metrics import flags as warn
from histoquant.metrics.aggregates import Aggregates, find_aggregates
from histoquant.metrics.area import DabHistogram, area_fraction
from histoquant.metrics.blocks import count_blocks, resampling_seed
from histoquant.metrics.by_area import SheetCount, StainedArea
from histoquant.metrics.cell_readouts import (
    aggregate_columns,
    area_columns,
    cluster_columns,
    in_aggregates,
    sheets_of,
)
from histoquant.metrics.chalkley import DISC_MM2, chalkley_count
from histoquant.metrics.density import density, overdispersion, poisson_interval
from histoquant.metrics.hotspot import Hotspot, HotspotRules, find_hotspot
from histoquant.metrics.measured import Measured
from histoquant.metrics.nearest import nearest_neighbours
from histoquant.metrics.sensitivity import elasticity
from histoquant.metrics.tissue import Tissue
from histoquant.metrics.vessels import true_vessels, vessel_metrics

BASE_COLUMNS = (
    "nuclei",
    "positive",
    "positive_percent",
    "positive_per_mm2",
    "positive_per_mm2_low",
    "positive_per_mm2_high",
    "positive_area_percent",
    "threshold_elasticity",
)
"""Columns every slide has; a marker's ``readouts`` add to them."""


@dataclass(frozen=True)
class SlideInputs:
    """Everything the metrics of a slide are computed from.

    Attributes
    ----------
    marker : str
        Name, for plausibility bounds and seeds.
    readouts : tuple of str
        Columns the marker adds, from its definition.
    threshold_od : float
        DAB threshold used.
    tissue : Tissue
        Quantifiable tissue.
    cells : pandas.DataFrame or None
        One row per nucleus in quantifiable tissue: ``x_um, y_um, positive`` (bool). None where nuclei
        were not segmented.
    scored : bool
        Whether ``positive`` means anything: false for haematoxylin-eosin and for CD31.
    vessels : pandas.DataFrame or None
        One row per object in quantifiable tissue: ``vessel, x_um, y_um`` (centroid), areas, diameter.
    histogram : DabHistogram or None
        DAB of the quantifiable pixels.
    count_low, count_high : int or None
        Positive cells (CD31: vessels) at 0.8 and 1.2 of the threshold.
    stained : StainedArea or None
        Stained area by hysteresis, for ``positive_by_area``; ``cells`` then has ``stain_object`` and
        ``stain_object_um2``.
    cell_area_um2 : float or None
        The batch's locked area of one positive cell; goes before the slide's own median.
    slide_id, run_seed : str, int
        For seeds.
    hotspot_rules : HotspotRules
        Hotspot fields.
    chalkley_profiles_um : tuple of ndarray or None
        Outer outlines (x, y) of the vessels where a Chalkley count is asked for.
    """

    marker: str
    readouts: tuple[str, ...]
    threshold_od: float
    tissue: Tissue
    cells: pd.DataFrame | None = None
    scored: bool = True
    vessels: pd.DataFrame | None = None
    histogram: DabHistogram | None = None
    count_low: int | None = None
    count_high: int | None = None
    stained: StainedArea | None = None
    cell_area_um2: float | None = None
    slide_id: str = ""
    run_seed: int = 0
    hotspot_rules: HotspotRules = field(default_factory=HotspotRules)
    chalkley_profiles_um: tuple[NDArray[np.float64], ...] | None = None

    @property
    def counts_vessels(self) -> bool:
        """Whether the marker's objects are vessels."""
        return "vessels" in self.readouts

    @property
    def area_mm2(self) -> float:
        """Quantifiable tissue."""
        return self.tissue.area_mm2

    @cached_property
    def positive_cells(self) -> pd.DataFrame | None:
        """Positive rows of ``cells``."""
        if self.cells is None or not self.scored:
            return None
        return self.cells[self.cells["positive"].to_numpy(bool)]

    @cached_property
    def sheets(self) -> SheetCount | None:
        """Cells hidden in sheets, where the marker's rule lets area stand in for nuclei."""
        positive = self.positive_cells
        if "count_mode" not in self.readouts or self.stained is None or positive is None:
            return None
        return sheets_of(self.stained, self.cells, positive, self.cell_area_um2)

    def added(self) -> int:
        """Positive cells that area adds where sheets hide their nuclei."""
        return 0 if self.sheets is None else self.sheets.added

    def find_aggregates(self) -> Aggregates | None:
        """Aggregates of the marker's positive cells, with what area adds to each."""
        positive = self.positive_cells
        if "aggregates" not in self.readouts or positive is None:
            return None
        found = find_aggregates(*_xy(positive), self.tissue)
        return in_aggregates(found, positive, self.sheets, self.stained)

    def counted(self) -> pd.DataFrame | None:
        """Objects whose density is the marker's main readout."""
        if self.counts_vessels:
            return None if self.vessels is None else true_vessels(self.vessels)
        return self.positive_cells


NOT_COUNTED = Measured.missing("NOT_COUNTED")


def _xy(table: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return table["x_um"].to_numpy(np.float64), table["y_um"].to_numpy(np.float64)


def _cell_columns(inputs: SlideInputs) -> dict[str, Measured]:
    """Nuclei, positive cells and their share."""
    if inputs.area_mm2 == 0:
        return dict.fromkeys(("nuclei", "positive", "positive_percent"), Measured.missing("NO_TISSUE"))
    if inputs.cells is None:
        return dict.fromkeys(("nuclei", "positive", "positive_percent"), NOT_COUNTED)
    nuclei = len(inputs.cells)
    positive = None if inputs.counts_vessels else inputs.positive_cells
    if positive is None:
        return {"nuclei": Measured(nuclei), "positive": NOT_COUNTED, "positive_percent": NOT_COUNTED}
    added = inputs.added()
    count, cells = len(positive) + added, nuclei + added
    share = Measured(100 * count / cells) if cells else Measured.missing("NO_NUCLEI")
    return {"nuclei": Measured(nuclei), "positive": Measured(count), "positive_percent": share}


def _density_columns(inputs: SlideInputs) -> dict[str, Measured]:
    """Main density with its overdispersed Poisson interval (F1, F2)."""
    names = ("positive_per_mm2", "positive_per_mm2_low", "positive_per_mm2_high")
    counted = inputs.counted()
    if inputs.area_mm2 == 0:
        return dict.fromkeys(names, Measured.missing("NO_TISSUE"))
    if counted is None:
        return dict.fromkeys(names, NOT_COUNTED)
    blocks = count_blocks(*_xy(counted), inputs.tissue).without_slivers()
    # a section of one block has no dispersion to speak of: plain Poisson
    phi = overdispersion(blocks.counts, blocks.areas_mm2).value or 1.0
    count = len(counted) + inputs.added()
    interval = poisson_interval(count, inputs.area_mm2, phi)
    values = density(count, inputs.area_mm2), Measured(interval.low), Measured(interval.high)
    return dict(zip(names, values, strict=True))


def _stain_columns(inputs: SlideInputs) -> dict[str, Measured]:
    """Stained area and dependence on the threshold (F4, F17)."""
    if inputs.area_mm2 == 0:
        return dict.fromkeys(("positive_area_percent", "threshold_elasticity"), Measured.missing("NO_TISSUE"))
    fraction = area_fraction(inputs.histogram, inputs.threshold_od)
    percent = fraction if fraction.value is None else Measured(100 * fraction.value)
    return {
        "positive_area_percent": percent,
        "threshold_elasticity": elasticity(inputs.count_low, inputs.count_high),
    }


def _aggregate_columns(inputs: SlideInputs, aggregates: Aggregates | None) -> dict[str, Measured]:
    """Diffuse cells and aggregates (F5)."""
    found = aggregates or inputs.find_aggregates()
    return {} if found is None else aggregate_columns(found, inputs.added(), inputs.area_mm2)


def _vessel_columns(inputs: SlideInputs) -> dict[str, Measured]:
    """Vessels, their hotspot and Chalkley count (F6, F7)."""
    if inputs.vessels is None:
        return {}
    seed = resampling_seed(inputs.run_seed, inputs.slide_id, f"{inputs.marker} hotspot")
    rules, xy = inputs.hotspot_rules, _xy(true_vessels(inputs.vessels))
    hotspot = find_hotspot(*xy, inputs.tissue, seed, rules)
    columns = {**vessel_metrics(inputs.vessels, inputs.area_mm2), **_hotspot_columns(hotspot, rules)}
    chalkley = disc = Measured.missing("NOT_ASKED")
    if inputs.chalkley_profiles_um is not None:
        fields = replace(rules, disc_mm2=DISC_MM2)
        points = np.stack(xy, axis=1)
        chalkley = chalkley_count(inputs.chalkley_profiles_um, points, inputs.tissue, seed, fields)
        disc = Measured(DISC_MM2)
    return {**columns, "chalkley": chalkley, "chalkley_disc_mm2": disc}


def _spatial_columns(inputs: SlideInputs, cells: pd.DataFrame, positive: pd.DataFrame) -> dict[str, Measured]:
    """Whether positive cells gather more than the slide's nuclei do: densest field, nearest neighbours."""
    if "hotspot_p" not in inputs.readouts:
        return {}
    nuclei = np.stack(_xy(cells), axis=1)
    seeds = [
        resampling_seed(inputs.run_seed, inputs.slide_id, f"{inputs.marker} {purpose}")
        for purpose in ("hotspot", "nearest")
    ]
    rules = inputs.hotspot_rules
    hotspot = find_hotspot(*_xy(positive), inputs.tissue, seeds[0], rules, among=nuclei)
    nearest = nearest_neighbours(nuclei, cells["positive"].to_numpy(bool), seeds[1])
    return {
        **_hotspot_columns(hotspot, rules),
        "nearest_median_um": nearest.median_um,
        "nearest_ratio": nearest.ratio,
    }


def _hotspot_columns(hotspot: Hotspot, rules: HotspotRules) -> dict[str, Measured]:
    """Densest fields, never without the area and number of the fields they were found among."""
    three = hotspot.reason or (None if hotspot.h3_per_mm2 is not None else "FEW_APART_FIELDS")
    return {
        "hotspot_per_mm2": Measured(hotspot.h1_per_mm2, hotspot.reason),
        "hotspot_three_per_mm2": Measured(hotspot.h3_per_mm2, three),
        "hotspot_p": Measured(hotspot.p_value, hotspot.reason),
        "hotspot_field_mm2": Measured(rules.disc_mm2),
        "hotspot_fields": Measured(rules.fields),
        "hotspot_fields_eligible": Measured(hotspot.eligible),
    }


def _count_mode(inputs: SlideInputs) -> dict[str, str | None]:
    """How the slide's cells were counted: ``nuclei``, or ``area`` where sheets hide them."""
    if "count_mode" not in inputs.readouts:
        return {}
    counted = inputs.area_mm2 > 0 and inputs.positive_cells is not None
    return {"count_mode": ("area" if inputs.added() else "nuclei") if counted else None}


def _reasons(inputs: SlideInputs, columns: dict[str, Measured], absent: Measured) -> dict[str, str]:
    reasons = {name: m.reason for name, m in columns.items() if m.reason is not None}
    if _count_mode(inputs).get("count_mode", "") is None and absent.reason is not None:
        reasons["count_mode"] = absent.reason
    return reasons


def _flags(inputs: SlideInputs, columns: dict[str, Measured]) -> list[str]:
    """Warnings about the values, without repeats, in a fixed order."""
    value = {name: measured.value for name, measured in columns.items()}
    found = [
        *warn.tissue_flags(inputs.area_mm2),
        *warn.plausibility_flags(inputs.marker, value["positive_per_mm2"], value["positive_area_percent"]),
        *warn.threshold_flags(value["threshold_elasticity"]),
        *warn.count_mode_flags(value["positive"], value.get("positive_by_area")),
    ]
    return list(dict.fromkeys(found))


def slide_metrics(inputs: SlideInputs, aggregates: Aggregates | None = None) -> dict[str, object]:
    """Every measured column of a slide's row.

    For CD31 ``positive`` and ``positive_percent`` are empty (vessels are not cells) and
    ``positive_per_mm2`` with its interval is the density of vessels, the marker's main readout.

    Parameters
    ----------
    inputs : SlideInputs
        Tables, tissue, histogram, counts at shifted thresholds.
    aggregates : Aggregates, optional
        Result of `find_aggregates` where the caller has it already.

    Returns
    -------
    dict
        Column name to number or None; ``flags``: list of warning codes; ``reasons``: dict from each
        empty or doubtful column to its reason code (`measured.REASONS`).
    """
    columns = {**_cell_columns(inputs), **_density_columns(inputs), **_stain_columns(inputs)}
    extra: dict[str, Measured] = {}
    if "aggregates" in inputs.readouts and inputs.area_mm2 > 0:
        extra |= _aggregate_columns(inputs, aggregates)
    if inputs.counts_vessels:
        extra |= _vessel_columns(inputs)
    positive = inputs.positive_cells
    if positive is not None and inputs.area_mm2 > 0:
        extra |= cluster_columns(*_xy(positive)) if "clusters" in inputs.readouts else {}
        extra |= area_columns(inputs.stained, positive, inputs.cell_area_um2)
        assert inputs.cells is not None  # positive cells are rows of it
        extra |= _spatial_columns(inputs, inputs.cells, positive)
    absent = NOT_COUNTED if inputs.area_mm2 > 0 else Measured.missing("NO_TISSUE")
    if "count_mode" in inputs.readouts and positive is not None and inputs.area_mm2 > 0:
        extra["positive_by_nuclei"] = Measured(len(positive))
    columns |= {name: extra.get(name, absent) for name in inputs.readouts if name != "count_mode"}
    return {
        **{name: measured.value for name, measured in columns.items()},
        **_count_mode(inputs),
        "flags": _flags(inputs, columns),
        "reasons": _reasons(inputs, columns, absent),
    }
