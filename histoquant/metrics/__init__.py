"""Numbers of a section from its tables: densities and intervals, areas, aggregates, vessels, hotspots."""

from histoquant.metrics.aggregates import AggregateRules, Aggregates, find_aggregates
from histoquant.metrics.area import DabHistogram, area_fraction
from histoquant.metrics.blocks import bootstrap_interval, count_blocks, resampling_seed
from histoquant.metrics.clusters import find_clusters
from histoquant.metrics.density import (
    density,
    hpf_area_mm2,
    log_density,
    log_density_change,
    overdispersion,
    per_hpf,
    poisson_interval,
    pooled_density,
)
from histoquant.metrics.hotspot import Hotspot, HotspotRules, find_hotspot
from histoquant.metrics.measured import REASONS, Interval, Measured
from histoquant.metrics.sensitivity import elasticity
from histoquant.metrics.slide import BASE_COLUMNS, SlideInputs, slide_metrics
from histoquant.metrics.tissue import Tissue
from histoquant.metrics.vessels import vessel_metrics

__all__ = [
    "BASE_COLUMNS",
    "REASONS",
    "AggregateRules",
    "Aggregates",
    "DabHistogram",
    "Hotspot",
    "HotspotRules",
    "Interval",
    "Measured",
    "SlideInputs",
    "Tissue",
    "area_fraction",
    "bootstrap_interval",
    "count_blocks",
    "density",
    "elasticity",
    "find_aggregates",
    "find_clusters",
    "find_hotspot",
    "hpf_area_mm2",
    "log_density",
    "log_density_change",
    "overdispersion",
    "per_hpf",
    "poisson_interval",
    "pooled_density",
    "resampling_seed",
    "slide_metrics",
    "vessel_metrics",
]
