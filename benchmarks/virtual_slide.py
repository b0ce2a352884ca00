"""A slide of full size with sparse tissue: memory and time of each worker, from a file of a few megabytes.

python benchmarks/virtual_slide.py [--width 100000] [--height 80000] [--tissue 0.05] [--workers 1] [-o FILE]

Every tile of the slide is stored; tiles that look alike are stored once, and the table of offsets names them
as often as they occur. Readers cannot tell such a file from one of 10 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import imagecodecs
import numpy as np
import psutil
from numpy.typing import NDArray

from histoquant.phantoms import APPEARANCES, render_field
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides

_TILE_PX: Final = 256
_FIELD_UM: Final = 512.0
_MPP: Final = 0.25  # as of a 40x objective
_SHORT, _LONG, _RATIO = 3, 4, 5  # types of a TIFF tag
_SIZES: Final = {_SHORT: ("H", 2), _LONG: ("I", 4), _RATIO: ("II", 8)}


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(rgb, level=85, subsampling=(2, 2), outcolorspace="ycbcr"))


def _tissue_tiles(marker: str) -> list[list[bytes]]:
    """A phantom field, mirrored so that no seam shows where it is repeated, as JPEG tiles."""
    field, _ = render_field(marker, _FIELD_UM, seed=5, mpp=_MPP)
    side = field.shape[0] // _TILE_PX * _TILE_PX
    pair = np.concatenate([field[:side, :side], field[:side, :side][:, ::-1]], axis=1)
    block = np.concatenate([pair, pair[::-1]], axis=0)
    steps = range(0, block.shape[0], _TILE_PX)
    return [
        [_jpeg(np.ascontiguousarray(block[y : y + _TILE_PX, x : x + _TILE_PX])) for x in steps] for y in steps
    ]


def _glass_tile() -> bytes:
    white = np.array(APPEARANCES["normal"].white_point)
    noise = np.random.default_rng(1).normal(0.0, 1.0, (_TILE_PX, _TILE_PX, 3))
    return _jpeg(np.clip(np.rint(white + noise), 0, 255).astype(np.uint8))


def _is_tissue(columns: int, rows: int, share: float) -> NDArray[np.bool_]:
    """Six elliptic pieces, two rows of three, that cover this share of the slide together."""
    y, x = (np.mgrid[0:rows, 0:columns] + 0.5) / np.array([rows, columns]).reshape(2, 1, 1)
    found = np.zeros((rows, columns), bool)
    reach = np.sqrt(share / 6 / np.pi)
    for row in (0.27, 0.73):
        for column in (0.2, 0.5, 0.8):
            found |= ((x - column) / reach) ** 2 + ((y - row) / reach) ** 2 < 1
    return found


def _entry(tag: int, kind: int, values: list[int], extra: bytearray, start: int) -> bytes:
    """One tag; what does not fit in it goes to ``extra``, which begins at ``start``."""
    code, size = _SIZES[kind]
    count = len(values) // len(code)
    data = struct.pack(f"<{len(values)}{code[0]}", *values)
    if size * count > 4:
        place = start + len(extra)
        extra += data
        data = struct.pack("<I", place)
    return struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")


def write_virtual(path: Path, size_px: tuple[int, int], share: float, marker: str) -> int:
    """Write the slide; returns how many tiles show tissue.

    Parameters
    ----------
    path : Path
    size_px : tuple of int
        Width and height.
    share : float
        Share of the slide that is tissue.
    marker : str
    """
    columns, rows = (-(-side // _TILE_PX) for side in size_px)
    tissue = _is_tissue(columns, rows, share)
    field = _tissue_tiles(marker)
    body = bytearray(b"II*\0\0\0\0\0")

    def put(data: bytes) -> tuple[int, int]:
        place = len(body)
        body.extend(data)
        return place, len(data)

    glass = put(_glass_tile())
    placed = [[put(data) for data in line] for line in field]
    side = len(placed)
    chosen = [
        placed[y % side][x % side] if tissue[y, x] else glass for y in range(rows) for x in range(columns)
    ]
    body += b"\0" * (len(body) % 2)
    per_cm = round(1e4 / _MPP)
    tags = [
        (254, _LONG, [0]), (256, _LONG, [size_px[0]]), (257, _LONG, [size_px[1]]), (258, _SHORT, [8, 8, 8]),
        (259, _SHORT, [7]), (262, _SHORT, [6]), (277, _SHORT, [3]), (282, _RATIO, [per_cm, 1]),
        (283, _RATIO, [per_cm, 1]), (284, _SHORT, [1]), (296, _SHORT, [3]), (322, _SHORT, [_TILE_PX]),
        (323, _SHORT, [_TILE_PX]), (324, _LONG, [place for place, _ in chosen]),
        (325, _LONG, [size for _, size in chosen]), (530, _SHORT, [2, 2]),
    ]  # fmt: skip
    at, extra = len(body), bytearray()
    entries = [_entry(*tag, extra, at + 2 + 12 * len(tags) + 4) for tag in tags]
    body += struct.pack("<H", len(tags)) + b"".join(entries) + b"\0\0\0\0" + extra
    body[4:8] = struct.pack("<I", at)
    path.write_bytes(body)
    return int(tissue.sum())


class Peaks:
    """Highest memory of this process and of each worker, and how it grew."""

    def __init__(self) -> None:
        self.main_mb, self.workers_mb = 0.0, dict[int, float]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Peaks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.2):
            self.main_mb = max(self.main_mb, me.memory_info().rss / 1e6)
            for child in me.children(recursive=True):
                try:
                    now_mb = child.memory_info().rss / 1e6
                except psutil.Error:
                    continue
                self.workers_mb[child.pid] = max(self.workers_mb.get(child.pid, 0.0), now_mb)


def main() -> None:
    """Print file size, memory, time and counts; write them as JSON."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--width", type=int, default=100_000)
    parser.add_argument("--height", type=int, default=80_000)
    parser.add_argument("--tissue", type=float, default=0.05, help="share of the slide")
    parser.add_argument("--marker", default="CD68")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("-o", type=Path, default=Path("virtual_slide.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / f"P01_T1_V1_{arguments.marker}.tif"
        tiles = write_virtual(path, (arguments.width, arguments.height), arguments.tissue, arguments.marker)
        started, spent = time.monotonic(), os.times()
        with Peaks() as peaks:
            status = run_slides(RunOptions((path,), folder / "out", workers=arguments.workers))
        after = os.times()
        manifest = json.loads((folder / "out" / "slides" / path.stem / "manifest.json").read_text())
        processor_s = sum(after[:4]) - sum(spent[:4])
        result: dict[str, Any] = {
            **{key: value for key, value in vars(arguments).items() if key != "o"},
            "file_mb": path.stat().st_size / 1e6,
            "tissue_tiles_256": tiles,
            "status": status,
            "wall_s": time.monotonic() - started,
            "processor_s": processor_s,
            "main_peak_mb": peaks.main_mb,
            "worker_peak_mb": max(peaks.workers_mb.values(), default=0.0),
            "row": manifest["row"],
            "self_check": manifest["self_check"],
        }
    arguments.o.write_text(json.dumps(result, indent=1))
    print(json.dumps({key: value for key, value in result.items() if key != "row"}, indent=1))
    print({key: manifest["row"][key] for key in ("status", "tissue_mm2", "nuclei", "positive_per_mm2")})
    sys.exit(status)


if __name__ == "__main__":
    main()
