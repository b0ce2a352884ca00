"""Pictures and the HTML report: arrays and tables in, RGB arrays and one offline page out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from histoquant.faces import face_of
from histoquant.report.sizes import OVERLAY_PX, THUMBNAIL_PX

if TYPE_CHECKING:
    from histoquant.report.fields import draw_fields
    from histoquant.report.html import write_report
    from histoquant.report.marks import Caption, CellMarks, Marks, Polygons, TissueMarks, VesselMarks
    from histoquant.report.overlay import draw_overlay
    from histoquant.report.pictures import encode_png
    from histoquant.report.thumbnail import draw_thumbnail
else:
    __getattr__, __dir__ = face_of(
        __name__,
        {
            "fields": "draw_fields",
            "html": "write_report",
            "marks": "Caption CellMarks Marks Polygons TissueMarks VesselMarks",
            "overlay": "draw_overlay",
            "pictures": "encode_png",
            "thumbnail": "draw_thumbnail",
        },
    )

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
