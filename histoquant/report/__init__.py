"""Pictures and the HTML report: arrays and tables in, RGB arrays and one offline page out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from histoquant.report.sizes import OVERLAY_PX, THUMBNAIL_PX

if TYPE_CHECKING:
    from histoquant.report.fields import draw_fields
    from histoquant.report.html import write_report
    from histoquant.report.marks import Caption, CellMarks, Marks, Polygons, TissueMarks, VesselMarks
    from histoquant.report.overlay import draw_overlay
    from histoquant.report.pictures import encode_png
    from histoquant.report.thumbnail import draw_thumbnail

# Loaded when first used: a worker that quantifies tiles needs neither fonts nor templates.
_LAZY = {
    "draw_fields": "fields",
    "write_report": "html",
    **dict.fromkeys(("Caption", "CellMarks", "Marks", "Polygons", "TissueMarks", "VesselMarks"), "marks"),
    "draw_overlay": "overlay",
    "encode_png": "pictures",
    "draw_thumbnail": "thumbnail",
}

__all__ = [
    "OVERLAY_PX",
    "THUMBNAIL_PX",
    "Caption",
    "CellMarks",
    "Marks",
    "Polygons",
    "TissueMarks",
    "VesselMarks",
    "draw_fields",
    "draw_overlay",
    "draw_thumbnail",
    "encode_png",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"histoquant.report.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'histoquant.report' has no attribute {name!r}")
