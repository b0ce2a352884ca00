"""One SHA-256 per table, however it was computed: workers, tile sizes, clusters, layouts of the same pixels.

python benchmarks/exactness.py [--data DIR] [--quick] [-o FILE]

Slides are one phantom of each marker and, with --data, two real files: CMU-1 as what it is, and OS-2, a Ki67
slide, as CD31, because nuclei read as vessel walls touch and continue each other worse than any endothelium.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from tls_cluster import Cluster, tls_cluster

from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run.build import build_digest
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides
from histoquant.tiling.local_cluster import loopback_cluster

TILES_PX: Final = (256, 300, 700, 1024, 4096)
WORKERS: Final = (1, 2, 4)
MARKERS: Final = ("CD68", "CD20", "CD31")
REAL: Final = {
    "CMU-1-Small-Region.svs": ("HE",),
    "OS-2-vsi.ome.tif": ("CD31",),
}
# the log and the crate tell times; seals list their digests
_NOT_COMPARED: Final = {"log.jsonl", "SHA256SUMS", "ro-crate-metadata.json"}
# where a file lies and when it was written is part of a plan's name, and so of what hangs on it
_OBJECTS: Final = ("cells", "vessels", "aggregates", "regions", "bands")
_TABLES: Final = (*(f"{name}.parquet" for name in _OBJECTS), ".png", "slides.csv", "biopsies.csv")


@dataclass(frozen=True)
class Way:
    """One way of computing: where, on how many workers, in tiles of which size."""

    where: str
    workers: int
    tile_px: int


def draw_phantoms(folder: Path, size_um: float, markers: tuple[str, ...] = MARKERS) -> None:
    """One slide of each marker."""
    for marker in markers:
        rgb, truth = render_field(marker, size_um, seed=3)
        write_slide(folder / f"P01_T1_V1_{marker}.tif", rgb, float(truth.summary["mpp"]))


def copy_real(folder: Path, data: Path) -> None:
    """The real files, once under each marker that is to read them."""
    for number, (name, markers) in enumerate(REAL.items(), start=2):
        found = next(iter(data.rglob(name)), None)
        if found is None:
            sys.exit(f"{data}: holds no {name}")
        for marker in markers:
            shutil.copy(found, folder / f"P{number:02d}_T1_V1_{marker}{name[name.index('.') :]}")


def digests(out: Path, *, tables_only: bool = False) -> dict[str, str]:
    """SHA-256 of every file of a run that may not depend on the way."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in _NOT_COMPARED]
    if tables_only:
        files = [path for path in files if path.name.endswith(_TABLES)]
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(
            _without_file_digest(path) if tables_only and path.name == "slides.csv" else path.read_bytes()
        ).hexdigest()
        for path in sorted(files)
    }


def _without_file_digest(slides: Path) -> bytes:
    """``slides.csv`` less the digest of the slide's file, which is another for every layout."""
    return pd.read_csv(slides, dtype="str").drop(columns="source_sha256").to_csv(index=False).encode()


def ways(quick: bool) -> list[Way]:
    """In process first; it is what the others are compared with."""
    if quick:
        return [Way("in process", 0, 1024), Way("in process", 0, 300), Way("TLS cluster", 2, 256)]
    local = [Way("local cluster", workers, tile) for workers in WORKERS for tile in TILES_PX]
    remote = [Way("TLS cluster", workers, tile) for workers in WORKERS for tile in TILES_PX]
    return [Way("in process", 0, tile) for tile in TILES_PX] + local + remote


class Standing:
    """Clusters that stand through all runs and grow to as many workers as a way asks for."""

    def __init__(self, remote: Cluster, scratch: Path) -> None:
        self._scratch = scratch
        self._remote, self._remote_address = remote, remote.scheduler()
        self._remote_workers = 0
        self._local: Any = None

    def address(self, way: Way) -> str | None:
        """Address of the scheduler for a way, with its workers there; None for in process."""
        from distributed import Client

        if way.where == "in process":
            return None
        grow = self._grow_local if way.where == "local cluster" else self._grow_remote
        address = grow(way.workers)
        with Client(address, timeout="60s", set_as_default=False) as client:
            client.wait_for_workers(way.workers, timeout=600)
        return address

    def _grow_local(self, workers: int) -> str:
        # as a run starts it for itself, but kept from run to run
        if self._local is None:
            self._local = loopback_cluster(workers, str(self._scratch))
        self._local.scale(workers)
        return str(self._local.scheduler_address)

    def _grow_remote(self, workers: int) -> str:
        while self._remote_workers < workers:
            self._remote_workers += 1
            self._remote.worker(self._remote_address, f"127.0.0.{self._remote_workers + 1}")
        return self._remote_address

    def close(self) -> None:
        """End the local one; the other ends with its context."""
        if self._local is not None:
            self._local.close()


def run_way(way: Way, slides: Path, out: Path, standing: Standing) -> dict[str, str]:
    """Digests of one run."""
    scheduler = standing.address(way)
    options = RunOptions((slides,), out, workers=0, scheduler=scheduler, tile_size_px=way.tile_px)
    status = run_slides(options)
    if status not in (0, 3):
        sys.exit(f"{way}: the run ended with status {status}")
    return digests(out)


def layouts(rgb: NDArray[np.uint8], mpp: float, folder: Path) -> Iterator[tuple[str, Path]]:
    """The same pixels, without loss, in every layout a pyramid is stored in."""
    small = [np.ascontiguousarray(rgb[::step, ::step]) for step in (2, 4, 8, 16)]
    shapes: dict[str, tuple[list[NDArray[np.uint8]], dict[str, Any]]] = {
        "1 level, tiles of 256": ([rgb], {"tile": (256, 256)}),
        "2 levels, tiles of 512": ([rgb, small[1]], {"tile": (512, 512)}),
        "5 levels, tiles of 256": ([rgb, *small], {"tile": (256, 256)}),
        "5 levels, smallest first": ([*small[::-1], rgb], {"tile": (256, 256)}),
        "strips of 16 rows": ([rgb], {"rowsperstrip": 16}),
        "one strip": ([rgb], {"rowsperstrip": rgb.shape[0]}),
    }
    for name, (levels, how) in shapes.items():
        path = folder / name.replace(" ", "_").replace(",", "") / "P01_T1_V1_CD68.tif"
        path.parent.mkdir(parents=True)
        with tifffile.TiffWriter(path) as tiff:
            for level in levels:
                per_cm = 1e4 / (mpp * rgb.shape[1] / level.shape[1])
                tiff.write(
                    level, photometric="rgb", compression="zlib", metadata=None,
                    resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", software=False,
                    subfiletype=0 if level is rgb else 1, **how,
                )  # fmt: skip
        yield name, path


def compare_layouts(folder: Path, size_um: float, marker: str) -> dict[str, Any]:
    """Digest of all tables and pictures for each layout."""
    rgb, truth = render_field(marker, size_um, seed=4)
    found = {}
    for name, path in layouts(rgb, float(truth.summary["mpp"]), folder / marker):
        path = path.rename(path.with_name(f"P01_T1_V1_{marker}.tif"))
        out = path.parent / "out"
        if run_slides(RunOptions((path,), out, workers=0)) != 0:
            sys.exit(f"{name}: the run failed")
        found[name] = _one(digests(out, tables_only=True))
    return found


def _one(each: dict[str, str]) -> str:
    """One digest of many."""
    return hashlib.sha256(json.dumps(each, sort_keys=True).encode()).hexdigest()


def measure(folder: Path, data: Path | None, quick: bool, size_um: float, kept: Path) -> dict[str, Any]:
    """Run every way; what differs is listed by name. What is known so far is always in ``kept``."""
    slides = folder / "slides"
    slides.mkdir()
    draw_phantoms(slides, size_um)
    if data is not None:
        copy_real(slides, data)
    result: dict[str, Any] = {"build": build_digest(), "files": {}, "runs": [], "layouts": {}}
    with tls_cluster(folder / "cluster") as cluster:
        standing = Standing(cluster, folder / "scratch")
        for number, way in enumerate(ways(quick)):
            started_s = time.monotonic()
            out = folder / f"out-{number}"
            found = run_way(way, slides, out, standing)
            first = result["files"] = result["files"] or found
            differing = sorted(n for n in first.keys() | found.keys() if first.get(n) != found.get(n))
            spent_s = round(time.monotonic() - started_s, 1)
            result["runs"].append(
                {**vars(way), "digest": _one(found), "differing": differing, "seconds": spent_s}
            )
            print(f"{way}: {_one(found)[:16]} {differing or 'same'} {spent_s} s", flush=True)
            kept.write_text(json.dumps(result, indent=1, sort_keys=True))
            if not differing:
                shutil.rmtree(out)
        standing.close()
    for marker in MARKERS:
        result["layouts"][marker] = compare_layouts(folder / "layouts", size_um, marker)
    kept.write_text(json.dumps(result, indent=1, sort_keys=True))
    return result


def main() -> None:
    """Print one line per run; write all digests as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds the two real files")
    parser.add_argument("--quick", action="store_true", help="three ways only")
    parser.add_argument("--size-um", type=float, default=320.0, help="side of the phantoms")
    parser.add_argument("-o", type=Path, default=Path("exactness.json"), help="where the digests go")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), arguments.data, arguments.quick, arguments.size_um, arguments.o)
    bad = [run for run in result["runs"] if run["differing"]]
    split = [marker for marker, found in result["layouts"].items() if len(set(found.values())) > 1]
    print(f"{len(result['runs'])} ways, {len(bad)} differ; layouts that differ: {split or 'none'}")
    sys.exit(1 if bad or split else 0)


if __name__ == "__main__":
    main()
