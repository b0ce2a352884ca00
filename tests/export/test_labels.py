"""Label images in OME-Zarr and OME-TIFF, read back by those formats' own libraries."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pyarrow as pa
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from scipy import ndimage

import histoquant as hq
from histoquant.export import export_results
from histoquant.export.label_bands import label_bands
from histoquant.export.object_rings import cell_rings
from histoquant.export.pyramid import half_rgb, level_sizes
from histoquant.objects import outlines


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 8, 64]), st.sampled_from([1.0, 2.0, 1.7]))
def test_outlines_paint_the_labels_they_were_traced_from(seed: int, band_px: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    blobs, _ = ndimage.label(ndimage.gaussian_filter(rng.normal(size=(40, 50)), 2) > 0.05)
    labels = np.asarray([[0]], np.int32) + blobs.astype(np.int32)
    for number in range(1, labels.max() + 1):  # outlines hold no holes
        labels[ndimage.binary_fill_holes(labels == number)] = number
    _, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(40, 50).astype(np.int32)
    found = outlines(labels)
    flat = ((found.corners * factor) - 0.5).astype(np.float32).ravel()
    lists = pa.ListArray.from_arrays(pa.array(2 * found.offsets), pa.array(flat))
    painted = np.concatenate(list(label_bands(cell_rings(lists, (factor, factor)), (50, 40), band_px)))
    np.testing.assert_array_equal(painted, labels)


def test_ome_zarr_is_read_by_ome_zarr_with_ids_and_areas(
    finished_results: Path, finished_slides: Path, tmp_path: Path
) -> None:
    (path,) = export_results(
        finished_results, "ome-zarr", tmp_path, slide_ids=["P01_T1_V1_CD20"], slides=finished_slides
    )
    cells = hq.load_results(finished_results).cells("P01_T1_V1_CD20")
    nodes = {
        Path(node.zarr.path).name if hasattr(node.zarr, "path") else "": node
        for node in Reader(parse_url(path))()
    }
    labels = next(node for name, node in nodes.items() if name == "cells")
    image = np.asarray(labels.data[0])
    counts = np.bincount(image.ravel(), minlength=len(cells) + 1)[1:]
    np.testing.assert_allclose(counts * 0.25, cells["nucleus_area_um2"])
    properties = labels.metadata["properties"]
    assert [properties[i + 1]["cell_id"] for i in range(len(cells))] == cells["cell_id"].tolist()
    assert [properties[i + 1]["positive"] for i in range(len(cells))] == cells["positive"].tolist()
    for finer, coarser in zip(labels.data, labels.data[1:], strict=False):
        np.testing.assert_array_equal(np.asarray(coarser), np.asarray(finer)[::2, ::2])
    group = zarr.open_group(path, mode="r")
    assert group.attrs["ome"]["version"] == "0.5"
    with hq.open_slide(finished_slides / "P01_T1_V1_CD20.tif") as slide:
        rgb = slide.read(0, 0, *slide.size_px)
    np.testing.assert_array_equal(np.moveaxis(np.asarray(group["0"]), 0, -1), rgb)
    np.testing.assert_array_equal(np.moveaxis(np.asarray(group["1"]), 0, -1), half_rgb(rgb))


def test_ome_tiff_is_read_by_tifffile_with_levels_and_size(finished_results: Path, tmp_path: Path) -> None:
    paths = export_results(finished_results, "ome-tiff", tmp_path, slide_ids=["P01_T1_V1_CD31"])
    assert [path.name.split(".", 1)[1] for path in paths] == ["cells.ome.tiff", "vessels.ome.tiff"]
    vessels = hq.load_results(finished_results).vessels("P01_T1_V1_CD31")
    with tifffile.TiffFile(paths[1]) as tiff:
        series = tiff.series[0]
        image = series.asarray()
        assert len(series.levels) == len(level_sizes((image.shape[1], image.shape[0]))) > 1
        np.testing.assert_array_equal(series.levels[1].asarray(), image[::2, ::2])
        assert 'PhysicalSizeX="0.5"' in str(tiff.ome_metadata)
    assert set(np.unique(image)) - {0} == set(range(1, len(vessels) + 1))


def test_anndata_holds_every_cell_of_the_study(finished_results: Path, tmp_path: Path) -> None:
    (path,) = export_results(finished_results, "anndata", tmp_path)
    read, loaded = anndata.read_h5ad(path), hq.load_results(finished_results)
    assert read.n_obs == int(loaded.slides["nuclei"].sum())
    assert read.obs_names.is_unique
    for slide_id in loaded.slides["slide_id"]:
        cells, part = loaded.cells(slide_id), read[read.obs["slide_id"] == slide_id]
        np.testing.assert_array_equal(part.obsm["spatial"], cells[["x_um", "y_um"]])
        area = np.asarray(part[:, "nucleus_area_um2"].X).ravel()
        np.testing.assert_array_equal(area, cells["nucleus_area_um2"])
        assert (part.obs["class"] == "Positive").tolist() == cells["positive"].fillna(False).astype(
            bool
        ).tolist()
        assert set(part.obs["patient"]) == {"P01"}
    assert read.var.loc["dab_od", "unit"] == "OD"


def test_a_folder_of_other_slides_is_refused(finished_results: Path, tmp_path: Path) -> None:
    from histoquant.errors import StoreError
    from histoquant.phantoms import render_field
    from histoquant.phantoms.writer import write_slide

    other = tmp_path / "other"
    other.mkdir()
    rgb, _ = render_field("CD20", 200.0, seed=1)
    write_slide(other / "P01_T1_V1_CD20.tif", rgb, 0.5)
    with pytest.raises(StoreError, match="Name the folder of the slides that were quantified"):
        export_results(
            finished_results, "ome-zarr", tmp_path / "x", slide_ids=["P01_T1_V1_CD20"], slides=other
        )
    assert not list((tmp_path / "x").iterdir())
