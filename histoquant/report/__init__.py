"""Pictures and the HTML report: arrays and tables in, RGB arrays and one offline page out."""

from histoquant.report.fields import draw_fields
from histoquant.report.html import write_report
from histoquant.report.marks import Caption, CellMarks, Marks, Polygons, TissueMarks, VesselMarks
from histoquant.report.overlay import OVERLAY_PX, draw_overlay
from histoquant.report.pictures import encode_png
from histoquant.report.thumbnail import THUMBNAIL_PX, draw_thumbnail

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
