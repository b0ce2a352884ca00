"""Results for other tools: QuPath, OME-Zarr and OME-TIFF readers, scverse, DICOM. None changes a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from histoquant.export.formats import FORMATS
from histoquant.faces import face_of

if TYPE_CHECKING:
    from histoquant.export.results import export_results
else:
    __getattr__, __dir__ = face_of(
        __name__,
        {
            "results": "export_results",
        },
    )

__all__ = ["FORMATS", "export_results"]
