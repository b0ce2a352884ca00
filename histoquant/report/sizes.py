"""How large pictures are drawn; known without loading what draws them."""

OVERLAY_PX = 4000  # longest side a caller should hand over: opens everywhere, 0.5 um/px on a 2 mm biopsy
THUMBNAIL_PX = 1000  # longest side: sharp on a report page, under a megabyte as PNG
SHOWN_PX = {"thumbnail.png": 440, "overlay.png": 1000, "density.png": 600, "fields.png": 1000}
"""Longest side of each file of pictures in the report, and of the preview that it carries for it."""
