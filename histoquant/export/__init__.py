"""Results for other tools: QuPath, OME-Zarr and OME-TIFF readers, scverse, DICOM. None changes a result."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from histoquant.export.formats import FORMATS

if TYPE_CHECKING:
    from histoquant.export.results import export_results

__all__ = ["FORMATS", "export_results"]


def __getattr__(name: str) -> Any:
    # loaded when first used, so that a format that does not exist is refused at once
    if name == "export_results":
        return importlib.import_module("histoquant.export.results").export_results
    raise AttributeError(f"module 'histoquant.export' has no attribute {name!r}")
