"""All cells of a study as one AnnData: cells x measurements, places, and what each slide is."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa

from histoquant.export.geojson import class_names, measurement_names
from histoquant.export.slide_objects import read_objects
from histoquant.store.results import Results

OBS_FROM_SLIDES = ("patient", "tract", "timepoint", "marker", "section", "block", "batch", "clone")


def study_anndata(results: Results, slide_ids: list[str]) -> anndata.AnnData:
    """Cells of the slides, in the order given.

    Parameters
    ----------
    results : Results
    slide_ids : list of str

    Returns
    -------
    anndata.AnnData
        ``X`` float64, cells x measurements named as in ``cells.parquet`` (NaN where a marker does not measure
        it); ``obs`` with slide, patient, tract, timepoint, marker, cell id and class; ``obsm["spatial"]`` in
        micrometres from the level-0 corner; ``uns["slides"]`` the slide table, ``uns["histoquant"]`` the
        run's record as JSON.
    """
    slides = results.slides.set_index("slide_id").to_dict("index")
    parts: list[tuple[str, pa.Table]] = []
    for slide_id in slide_ids:
        table = read_objects(results.folder, slide_id).cells
        parts.append((slide_id, table.drop_columns(["outline_xy_px"])))
    names = list(dict.fromkeys(name for _, table in parts for name in measurement_names(table)))
    names = [name for name in names if name not in ("x_um", "y_um")]
    matrices, places, observed = [], [], []
    for slide_id, table in parts:
        matrices.append(np.column_stack([_column(table, name) for name in names]))
        places.append(np.column_stack([_column(table, "x_um"), _column(table, "y_um")]))
        observed.append(_obs(slide_id, table, slides[slide_id]))
    obs = pd.concat(observed, ignore_index=True)
    obs.index = pd.Index(obs["slide_id"].astype(str) + ":" + obs["cell_id"].astype(str), name="cell")
    for name in obs.columns:
        if name != "cell_id":
            obs[name] = pd.Categorical(obs[name])
    var = pd.DataFrame({"unit": [_unit(name) for name in names]}, index=pd.Index(names, name="measurement"))
    found = anndata.AnnData(np.concatenate(matrices), obs=obs, var=var)
    found.obsm["spatial"] = np.concatenate(places)
    found.uns["slides"] = _plain(results.slides)
    found.uns["histoquant"] = (results.folder / "run.json").read_text("utf-8")
    found.uns["spatial_unit"] = "um"
    return found


def write_anndata(path: Path, results: Results, slide_ids: list[str]) -> None:
    """Write `study_anndata` as ``.h5ad``."""
    study_anndata(results, slide_ids).write_h5ad(path, compression="gzip")


def _column(table: pa.Table, name: str) -> Any:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return table[name].to_pandas().to_numpy(np.float64)


def _obs(slide_id: str, table: pa.Table, slide: dict[Hashable, Any]) -> pd.DataFrame:
    rows = table.num_rows
    columns: dict[str, Any] = {"slide_id": [slide_id] * rows, "cell_id": table["cell_id"].to_numpy()}
    columns["class"] = class_names(table).to_pylist()
    for name in OBS_FROM_SLIDES:
        if name in slide:
            columns[name] = ["" if pd.isna(slide[name]) else str(slide[name])] * rows
    return pd.DataFrame(columns)


def _unit(name: str) -> str:
    for ending, unit in (("_um2", "um2"), ("_um", "um"), ("_od", "OD"), ("_px", "px")):
        if name.endswith(ending):
            return unit
    return "1"


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Columns that HDF5 holds: numbers as they are, everything else as text, empty for missing."""
    kept = {
        name: table[name]
        if pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name])
        else table[name].map(lambda value: "" if pd.isna(value) else str(value)).astype(object)
        for name in table.columns
    }
    plain = pd.DataFrame(kept)
    plain.index = plain.index.astype(str)
    return plain
