"""Seconds and memory of an export of many cells, as a user types it.

python benchmarks/export.py [--cells 1000000] [--to geojson]

A drawn slide is quantified and its cell table repeated row by row until it has as many cells as asked for,
each copy moved beside the other, with ids of its own; `histoquant export` writes it in a process of its own.
Prints seconds, peak memory, the size of the file and the load of the machine meanwhile, and reads the GeoJSON
back to count its cells.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides
from histoquant.store.layout import OutputFolder

SLIDE_ID = "P01_T1_V1_CD68"
FIELD_UM = 1024.0
HEADER = """\
| cells | format | seconds | processor seconds | peak memory, MiB | file, MB | load average |
|---|---|---|---|---|---|---|"""


def build(folder: Path, cells: int) -> Path:
    """Results of one slide with as many cells; returns the results folder."""
    rgb, truth = render_field("CD68", FIELD_UM, seed=5)
    write_slide(folder / f"{SLIDE_ID}.tif", rgb, float(truth.summary["mpp"]))
    out = folder / "results"
    run_slides(RunOptions((folder / f"{SLIDE_ID}.tif",), out, workers=0))
    path = out / "slides" / SLIDE_ID / "cells.parquet"
    pq.write_table(repeated(pq.read_table(path), cells, rgb.shape[1]), path, compression="zstd")
    store = OutputFolder(out)
    store.write_manifest(SLIDE_ID, store.manifest(SLIDE_ID) or {})
    return out


def repeated(table: pa.Table, cells: int, step_px: int) -> pa.Table:
    """The table's rows again and again, each copy a field further to the right and down."""
    times = -(-cells // table.num_rows)
    side = int(np.ceil(np.sqrt(times)))
    copy = np.repeat(np.arange(times), table.num_rows)[:cells]
    rows = np.tile(np.arange(table.num_rows), times)[:cells]
    shift = {"x": copy % side * step_px, "y": copy // side * step_px}
    found = table.take(rows).combine_chunks()
    outlines = found["outline_xy_px"].combine_chunks()
    points = outlines.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2).copy()
    offsets = outlines.offsets.to_numpy()
    points += np.repeat(np.column_stack([shift["x"], shift["y"]]), np.diff(offsets) // 2, axis=0)
    moved = pa.ListArray.from_arrays(outlines.offsets, pa.array(points.ravel(), outlines.type.value_type))
    columns = {"outline_xy_px": moved, "cell_id": pa.array(np.arange(1, cells + 1), found["cell_id"].type)}
    columns |= {
        f"{axis}_px": pa.array(found[f"{axis}_px"].to_numpy() + by, found[f"{axis}_px"].type)
        for axis, by in shift.items()
    }
    for name, column in columns.items():
        found = found.set_column(found.column_names.index(name), found.schema.field(name), column)
    return found


def measure(out: Path, to: str, compress: bool) -> tuple[float, float, float, Path]:
    """Wall seconds, processor seconds, peak MiB, and the file."""
    code = "from histoquant.cli import main; main()"
    target = out.parent / "export"
    command = [sys.executable, "-c", code, "export", str(out), "--to", to, "-o", str(target)]
    started = time.monotonic()
    process = subprocess.Popen([*command, *(["--gzip"] if compress else [])], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit("the export failed")
    (path,) = target.iterdir()
    return (
        time.monotonic() - started,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        path,
    )


def read_back(path: Path) -> int:
    """Cells in a GeoJSON file of one feature a line, each parsed for itself."""
    cells = 0
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            if line.startswith('{"type":"Feature",'):
                cells += json.loads(line.rstrip(",\n"))["properties"]["objectType"] == "cell"
    return cells


def main() -> None:
    """Print one row of a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--to", choices=["geojson", "anndata"], default="geojson")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help="GeoJSON without --gzip")
    arguments = parser.parse_args()
    if arguments.build is not None:
        build(arguments.build, arguments.cells)
        return
    with tempfile.TemporaryDirectory() as folder:
        # a process of its own, so that building the table does not count as memory of the export
        built = [sys.executable, __file__, "--build", folder, "--cells", str(arguments.cells)]
        subprocess.run(built, check=True)
        out = Path(folder) / "results"
        compress = arguments.to == "geojson" and not arguments.plain
        wall_s, cpu_s, peak_mib, path = measure(out, arguments.to, compress)
        size_mb = path.stat().st_size / 1e6
        print(HEADER)
        name = f"{arguments.to} --gzip" if compress else arguments.to
        told = f"{wall_s:.1f} | {cpu_s:.1f} | {peak_mib:.0f} | {size_mb:.0f} | {os.getloadavg()[0]:.1f}"
        print(f"| {arguments.cells} | {name} | {told} |")
        if arguments.to == "geojson":
            cells = read_back(path)
            print(f"read back: {cells} cells")


if __name__ == "__main__":
    main()
