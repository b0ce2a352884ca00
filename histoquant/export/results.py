"""A results folder, or some of its slides, in another tool's format."""

from __future__ import annotations

import importlib
import json
import os
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from histoquant.errors import StoreError, UsageError
from histoquant.export.formats import FORMATS, NEEDS
from histoquant.export.slide_objects import SlideObjects, read_objects
from histoquant.slides import Plane, Slide, find_slides, open_slide, slide_files
from histoquant.store.atomic import writing
from histoquant.store.results import Results, load_results

GZIP_LEVEL = 5
_PACKED_AHEAD = 2  # parts of 17 MB that may wait, so that memory does not grow with the slide
_WITH_SLIDES = ("ome-zarr", "dicom-ann")
"""Formats that take something of the slides themselves."""


def export_results(
    root: Path,
    to: str,
    folder: Path,
    *,
    slide_ids: list[str] | None = None,
    slides: Path | None = None,
    compress: bool = False,
    said: Callable[[Path], None] = lambda path: None,
) -> list[Path]:
    """Write finished slides in another tool's format.

    Parameters
    ----------
    root : Path
        Results folder of ``histoquant run``.
    to : str
        One of `FORMATS`.
    folder : Path
        Where files go; made when missing. What is there under the same name is replaced.
    slide_ids : list of str, optional
        Default: every slide that was quantified.
    slides : Path, optional
        Folder of the slides themselves: for the image in OME-Zarr, without it only labels are written; for
        DICOM annotations, which take patient, study and reference from the slide, so they need it.
    compress : bool
        GeoJSON as ``.geojson.gz``.
    said : callable
        Called with each path written.

    Returns
    -------
    list of Path

    Raises
    ------
    UsageError
        For an unknown format, or when the packages it needs are not installed; for DICOM annotations of
        masked results, or without ``slides``.
    StoreError
        If the results are not whole, or no slide was quantified; for DICOM annotations of a slide that is no
        DICOM.
    """
    if to not in FORMATS:
        raise UsageError(f"--to {to}: not a format. Choose from {', '.join(FORMATS)}.")
    _need(to)
    results = load_results(root)
    chosen = _chosen(results, slide_ids)
    if to == "dicom-ann":
        _refuse_masked(results, slides)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    files = _slide_files(slides) if slides is not None and to in _WITH_SLIDES else {}
    written = []
    for path in _written(results, chosen, to, folder, files, compress):
        written.append(path)
        said(path)
    return written


def _written(
    results: Results, chosen: list[str], to: str, folder: Path, files: dict[str, Path], compress: bool
) -> Iterator[Path]:
    """Each file, once it is there: one for the study, or those of slide after slide."""
    if to == "anndata":
        path = folder / "cells.h5ad"
        _write_anndata(path, results, chosen)
        yield path
        return
    names = results.slides.set_index("slide_id")["file"]
    for slide_id in chosen:
        objects = read_objects(results.folder, slide_id)
        file = files.get(Path(str(names[slide_id])).name)
        yield from _write_slide(objects, to, folder, file, compress)


def _need(to: str) -> None:
    for package in NEEDS[to]:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UsageError(
                f"--to {to} needs the package {error.name or package}: pip install 'histoquant[export]'"
            ) from None


def _chosen(results: Results, slide_ids: list[str] | None) -> list[str]:
    table = results.slides
    done = [str(name) for name in table.loc[table["status"].str.startswith("OK"), "slide_id"]]
    unknown = sorted(set(slide_ids or ()) - set(done))
    if unknown:
        raise StoreError(
            f"{', '.join(unknown)}: not among the quantified slides of {results.folder}. "
            "See slide_id and status in slides.csv."
        )
    if not done:
        raise StoreError(f"{results.folder}: no slide was quantified, so there is nothing to export.")
    return sorted(slide_ids) if slide_ids else done


def _slide_files(slides: Path) -> dict[str, Path]:
    return {path.name: path for path in find_slides([slides])}


def _write_slide(
    objects: SlideObjects, to: str, folder: Path, file: Path | None, compress: bool
) -> Iterator[Path]:
    name = objects.slide_id
    if to == "geojson":
        path = folder / (f"{name}.geojson.gz" if compress else f"{name}.geojson")
        _write_geojson(path, objects, compress)
        yield path
    elif to == "dicom-ann":
        path = folder / f"{name}.ann.dcm"
        _write_dicom(path, objects, file)
        yield path
    elif to == "ome-zarr":
        path = folder / f"{name}.ome.zarr"
        _write_zarr(path, objects, file)
        yield path
    else:
        yield from _write_tiffs(folder, objects)


def _write_geojson(path: Path, objects: SlideObjects, compress: bool) -> None:
    from histoquant.export.geojson import geojson_parts

    parts = geojson_parts(objects)
    with _replacing(path) as temporary, temporary.open("wb") as file:
        for part in _gzip_members(parts) if compress else parts:
            file.write(part)


def _gzip_members(parts: Iterator[bytes]) -> Iterator[bytes | bytearray]:
    """Each part as a gzip member of its own, which readers join; packed while the next is put into text."""
    import imagecodecs

    with ThreadPoolExecutor(1) as packer:
        waiting: deque[Future[bytes | bytearray]] = deque()
        for part in parts:
            waiting.append(packer.submit(imagecodecs.gzip_encode, part, level=GZIP_LEVEL))
            if len(waiting) > _PACKED_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _write_zarr(path: Path, objects: SlideObjects, file: Path | None) -> None:
    from histoquant.export.ome_zarr_labels import write_ome_zarr

    with _replacing(path) as temporary:
        if file is None:
            write_ome_zarr(temporary, objects, None)
            return
        level0_mpp = sum(objects.plane_mpp_xy) / sum(objects.factor_xy)
        with open_slide(file, mpp=level0_mpp) as slide:
            write_ome_zarr(temporary, objects, _same_plane(slide, objects))


def _same_plane(slide: Slide, objects: SlideObjects) -> Plane:
    plane = Plane.at_factor(slide, *objects.factor_xy)
    if plane.size_px != objects.plane_size_px:
        raise StoreError(
            f"{slide.path.name}: {plane.size_px} px at the working resolution, but the results are of "
            f"{objects.plane_size_px} px. Name the folder of the slides that were quantified."
        )
    return plane


def _refuse_masked(results: Results, slides: Path | None) -> None:
    run = json.loads((results.folder / "run.json").read_text("utf-8"))
    if run.get("blinding") and not run.get("unblinding"):
        raise UsageError(
            f"{results.folder}: its slides are masked, and DICOM annotations carry patient and study of "
            "their slide. Export the copy that `histoquant unblind` writes."
        )
    if slides is None:
        raise UsageError(
            "--to dicom-ann takes patient and study from the slides. Name their folder with --slides."
        )


def _write_dicom(path: Path, objects: SlideObjects, file: Path | None) -> None:
    from histoquant.export.dicom_annotations import source_image, write_dicom_annotations

    if file is None:
        raise StoreError(f"{objects.slide_id}: its slide is not in the folder after --slides. Correct it.")
    source = source_image(slide_files(file))
    if source is None:
        raise StoreError(
            f"{file.name}: is no DICOM slide; bulk annotations belong to a DICOM image. Choose "
            "DICOM slides with --slide, or another format (--to geojson)."
        )
    level0_mpp = sum(objects.plane_mpp_xy) / sum(objects.factor_xy)
    with open_slide(file, mpp=level0_mpp) as slide:
        _same_plane(slide, objects)
    with _replacing(path) as temporary:
        write_dicom_annotations(temporary, objects, source)


def _write_tiffs(folder: Path, objects: SlideObjects) -> Iterator[Path]:
    from histoquant.export.object_rings import cell_rings, vessel_rings
    from histoquant.export.ome_tiff_masks import write_label_tiff

    outlines = objects.cells["outline_xy_px"].combine_chunks()
    rings = {"cells": cell_rings(outlines, objects.factor_xy)}
    if not objects.vessels.empty:
        rings["vessels"] = vessel_rings(objects.vessels, objects.factor_xy)
    for kind, found in rings.items():
        path = folder / f"{objects.slide_id}.{kind}.ome.tiff"
        with _replacing(path) as temporary:
            write_label_tiff(temporary, objects, found, f"{objects.slide_id} {kind}")
        yield path


def _write_anndata(path: Path, results: Results, slide_ids: list[str]) -> None:
    from histoquant.export.study_anndata import write_anndata

    with _replacing(path) as temporary:
        write_anndata(temporary, results, slide_ids)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A place beside ``path``, file or folder, that takes its name when the block ends well."""
    temporary = path.with_name(f"tmp.{os.getpid()}.{secrets.token_hex(4)}.{path.name}")
    try:
        with writing(path):
            yield temporary
            if path.is_dir():
                shutil.rmtree(path)
            temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)
