"""How large pictures are drawn; known without loading what draws them."""

OVERLAY_PX = 4000  # longest side a caller should hand over: opens everywhere, 0.5 um/px on a 2 mm biopsy
THUMBNAIL_PX = 1000  # longest side: sharp on a report page, under a megabyte as PNG
