"""Results for other tools: QuPath, OME-Zarr and OME-TIFF readers, scverse. Nothing here changes a result."""

from histoquant.export.results import FORMATS, export_results

__all__ = ["FORMATS", "export_results"]
