"""What a plug-in must keep to, as checks that its author runs.

>>> from histoquant.testing import check_marker
>>> check_marker(definition, rule)  # doctest: +SKIP
"""

from histoquant.testing.markers import cell_table, check_marker

__all__ = ["cell_table", "check_marker"]
