"""Results of one slide as DICOM Microscopy Bulk Simple Annotations, for the archive the slide lies in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from highdicom import AlgorithmIdentificationSequence
from highdicom.ann import AnnotationGroup, Measurements, MicroscopyBulkSimpleAnnotations
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from histoquant._version import __version__
from histoquant.errors import StoreError
from histoquant.export.geojson import class_names, measurement_names
from histoquant.export.rings import CORNER_PX
from histoquant.export.slide_objects import SlideObjects

SCHEME = "99HISTOQUANT"
"""Coding scheme of measurement names; designators that begin with 99 are private (PS3.3, 8.2)."""
FAMILY = Code("123109", "DCM", "Artificial Intelligence")
SERIES_NUMBER = 9100
_UNITS = {
    "_um2": Code("um2", "UCUM", "square micrometer"),
    "_um": Code("um", "UCUM", "micrometer"),
    "_od": Code("{OD}", "UCUM", "optical density"),
}
_NO_UNIT = Code("1", "UCUM", "no units")
_AGGREGATE = Code("aggregate", SCHEME, "Lymphoid aggregate")
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Group:
    """Objects of one class.

    Attributes
    ----------
    label : str
        As in the GeoJSON export.
    kind : pydicom Code
        What is outlined.
    polygons : list of ndarray of float32, shape (k, 2)
        Column and row in level-0 pixels from the corner of the slide, first corner not repeated.
    measurements : dict of str to ndarray of float32, shape (n,)
        By column name; NaN where not measured.
    """

    label: str
    kind: Any
    polygons: list[FloatArray]
    measurements: dict[str, FloatArray]


def source_image(files: list[Path]) -> Dataset | None:
    """Header of the full-resolution image of a DICOM slide; None when the slide is of another format.

    Parameters
    ----------
    files : list of Path
        All files of the slide.
    """
    headers = []
    for file in files:
        try:
            headers.append(dcmread(file, stop_before_pixels=True))
        except (InvalidDicomError, OSError):
            continue
    volumes = [one for one in headers if "VOLUME" in one.get("ImageType", ())]
    return max(volumes, key=lambda one: int(one.TotalPixelMatrixColumns), default=None)


def write_dicom_annotations(path: Path, objects: SlideObjects, source: Dataset) -> None:
    """Write the objects of one slide, one annotation group per class.

    Parameters
    ----------
    path : Path
    objects : SlideObjects
    source : pydicom.Dataset
        Of `source_image`; its patient and study go into the annotations, as archives need them to.

    Raises
    ------
    StoreError
        If there is no object to write.

    Notes
    -----
    Coordinates are two-dimensional, of the source's total pixel matrix: the corner of its first pixel is
    (0, 0), as in spatial coordinates elsewhere in DICOM (PS3.3, C.18.6) and in highdicom's transformers; the
    module of bulk annotations itself (C.37.1.2) names no place within the pixel. UIDs are made from source
    and content, so that the same results are the same instance.
    """
    groups = list(_groups(objects))
    if not groups:
        raise StoreError(f"{objects.slide_id}: no cell, vessel or aggregate to annotate.")
    digest = hashlib.sha256(f"{source.SOPInstanceUID}\0{__version__}\0{objects.slide_id}".encode())
    digest.update(np.concatenate([ring for group in groups for ring in group.polygons]).tobytes())
    for group in groups:
        for values in group.measurements.values():
            digest.update(values.tobytes())
    content = digest.hexdigest()
    algorithm = AlgorithmIdentificationSequence("histoquant", FAMILY, __version__)
    annotations = MicroscopyBulkSimpleAnnotations(
        source_images=[source],
        annotation_coordinate_type="2D",
        annotation_groups=[
            _annotation_group(number, group, _uid(f"{content} group {number}"), algorithm)
            for number, group in enumerate(groups, start=1)
        ],
        series_instance_uid=_uid(f"{source.SeriesInstanceUID} annotations {__version__}"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=_uid(f"{content} instance"),
        instance_number=1,
        manufacturer="histoquant",
        manufacturer_model_name="histoquant",
        software_versions=__version__,
        device_serial_number="0",
        content_label="HISTOQUANT",
        content_description="Research use only",
    )
    annotations.save_as(path)


def _annotation_group(number: int, group: Group, uid: str, algorithm: Any) -> AnnotationGroup:
    return AnnotationGroup(
        number=number,
        uid=uid,
        label=group.label,
        annotated_property_category=codes.SCT.AnatomicalStructure,
        annotated_property_type=group.kind,
        graphic_type="POLYGON",
        graphic_data=group.polygons,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        measurements=[
            Measurements(Code(name, SCHEME, name.replace("_", " ")), values, _unit(name))
            for name, values in group.measurements.items()
            if not np.isnan(values).all()  # an empty list of values is one that readers fail at
        ],
    )


def _groups(objects: SlideObjects) -> Iterator[Group]:
    """Every class that has an object, cells first."""
    cells = objects.cells
    if cells.num_rows:
        names = np.asarray(class_names(cells).to_pylist())
        rings = _cell_polygons(cells["outline_xy_px"].combine_chunks())
        columns = {name: cells[name].to_pandas().to_numpy(np.float32) for name in measurement_names(cells)}
        for label in ("Positive", "Negative", "Unscorable", "Nucleus"):
            chosen = np.flatnonzero(names == label)
            if chosen.size:
                measured = {name: values[chosen] for name, values in columns.items()}
                yield Group(label, codes.SCT.Nucleus, [rings[i] for i in chosen], measured)
    yield from _vessel_groups(objects.vessels)
    if len(objects.aggregates):
        yield _frame_group("Aggregate", _AGGREGATE, objects.aggregates, "outline_xy_px")


def _vessel_groups(vessels: pd.DataFrame) -> Iterator[Group]:
    """Outer outlines with the measurements, and lumens apart, for annotations know no holes."""
    if vessels.empty:
        return
    is_vessel = vessels["vessel"].to_numpy(bool)
    for label, chosen in (("Vessel", is_vessel), ("CD31 non-vascular", ~is_vessel)):
        if chosen.any():
            yield _frame_group(label, codes.SCT.BloodVessel, vessels[chosen], "outer_xy_px")
    lumens = [_polygon(flat) for row in vessels["lumens_xy_px"] for flat in row]
    if lumens:
        yield Group("Lumen", codes.SCT.LumenOfBloodVessel, lumens, {})


def _frame_group(label: str, kind: Any, table: pd.DataFrame, outlines: str) -> Group:
    polygons = [_polygon(flat) for flat in table[outlines]]
    names = measurement_names(pa.Table.from_pandas(table, preserve_index=False))
    return Group(label, kind, polygons, {name: table[name].to_numpy(np.float32) for name in names})


def _cell_polygons(outlines: pa.ListArray) -> list[FloatArray]:
    points = outlines.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2) + np.float32(CORNER_PX)
    starts = outlines.offsets.to_numpy()[1:-1] // 2
    return np.split(points.astype(np.float32), starts - int(outlines.offsets[0].as_py()) // 2)


def _polygon(flat: Any) -> FloatArray:
    return np.asarray(flat, np.float32).reshape(-1, 2) + np.float32(CORNER_PX)


def _unit(name: str) -> Code:
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), _NO_UNIT)


def _uid(text: str) -> str:
    """A UID of the 2.25 root, made from text as RFC 9562 makes UUIDs of version 8."""
    number = int(hashlib.sha256(text.encode()).hexdigest()[:32], 16)
    number = number & ~(0xF << 76) | 8 << 76
    return f"2.25.{number & ~(3 << 62) | 2 << 62}"
