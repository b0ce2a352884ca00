"""Formats that results can be written in, and the packages each needs beside those of histoquant itself."""

from __future__ import annotations

NEEDS: dict[str, tuple[str, ...]] = {
    "geojson": (),
    "ome-zarr": ("zarr", "ome_zarr"),
    "ome-tiff": (),
    "anndata": ("anndata",),
    "dicom-ann": ("highdicom", "pydicom"),
}
FORMATS = tuple(NEEDS)
