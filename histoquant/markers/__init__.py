"""Markers: what positive means, one file each."""

from __future__ import annotations

from histoquant.markers.cd31 import VesselMarkerDefinition
from histoquant.markers.definition import MarkerDefinition
from histoquant.markers.registry import MARKERS, Scores, get_marker, marker_names, score, stain_od

__all__ = [
    "MARKERS",
    "MarkerDefinition",
    "Scores",
    "VesselMarkerDefinition",
    "get_marker",
    "marker_names",
    "score",
    "stain_od",
]
