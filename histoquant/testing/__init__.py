"""What a plug-in must keep to, as checks that its author runs.

>>> from histoquant.testing import check_marker, check_segmenter
>>> check_marker(definition, rule)  # doctest: +SKIP
>>> check_segmenter(segmenter)  # doctest: +SKIP
"""

from histoquant.testing.markers import cell_table, check_marker
from histoquant.testing.segmenters import check_segmenter, nuclei_picture

__all__ = ["cell_table", "check_marker", "check_segmenter", "nuclei_picture"]
