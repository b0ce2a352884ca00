"""F10, P11: fifteen bombs, each refused in under 2 s by a process that may not take 500 MB for it."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

GOOD = {
    256: (4, 1, 512), 257: (4, 1, 512), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 2), 277: (3, 1, 3),
    322: (3, 1, 256), 323: (3, 1, 256), 324: (4, 4, 4096), 325: (4, 4, 4112),
}  # fmt: skip
HUGE = 2**32 - 2
BOMBS = {
    "sides": {256: (4, 1, 2**31 - 1), 257: (4, 1, 2**31 - 1)},
    "one side": {256: (4, 1, 2**20 + 1)},
    "area": {256: (4, 1, 2**19), 257: (4, 1, 2**19)},
    "grid": {256: (4, 1, 2**18), 257: (4, 1, 2**17)},
    "tile": {322: (4, 1, 2**15), 323: (4, 1, 2**15)},
    "tile of nothing": {322: (3, 1, 0)},
    "narrow tile": {322: (3, 1, 1), 323: (3, 1, 1)},
    "nothing": {256: (4, 1, 0)},
    "offsets": {324: (4, HUGE, 4096)},
    "counts": {325: (4, HUGE, 4096)},
    "bits": {258: (3, HUGE, 4096)},
    "long offsets": {324: (4, 2**23 + 1, 4096)},
    "tile bytes": {325: (4, 1, HUGE)},
    "sub-images": {330: (4, HUGE, 4096)},
    "strip": {273: (4, 1, 4096), 279: (4, 1, 3), 278: (4, 1, 2**31), 256: (4, 1, 2**18), 257: (4, 1, 2**18)},
}
_PROGRAM = """
import json, re, resource, sys, time
from histoquant.slides import preflight
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
used = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
limit = used + (500 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
before = peak()
for path in sys.argv[1:]:
    start = time.perf_counter()
    code = preflight(path, mpp=0.5).code
    print(json.dumps([code, time.perf_counter() - start, peak() - before]))
"""


def _write(path: Path, changed: dict[int, tuple[int, int, int]]) -> None:
    tags = GOOD | changed
    if 273 in changed:
        tags = {tag: value for tag, value in tags.items() if tag not in {322, 323, 324, 325}}
    entries = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    body = struct.pack("<8I", *[8192 + i * 196608 for i in range(4)], *[196608] * 4)
    with path.open("wb") as file:
        file.write(head.ljust(4096, b"\0") + body)
        file.truncate(64 << 20)  # sparse: room for what a tag points at


def test_fifteen_bombs_are_refused_fast_and_small(tmp_path: Path):
    good = tmp_path / "good.tif"
    _write(good, {})
    paths = []
    for number, name in enumerate(BOMBS):
        paths.append(tmp_path / f"{number}.tif")
        _write(paths[-1], BOMBS[name])
    command = [sys.executable, "-c", _PROGRAM, str(good), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (code, _, _), *rows = map(json.loads, done.stdout.splitlines())
    assert code == ""  # the file they are made from is fine
    found = dict(zip(BOMBS, rows, strict=True))
    print(f"slowest {max(row[1] for row in rows):.3f} s, most {max(row[2] for row in rows):.0f} MB")
    for name, (code, seconds, megabytes) in found.items():
        assert code in {"TOO_LARGE", "UNREADABLE", "TRUNCATED", "PIXEL_TYPE"}, name
        assert seconds < 2, name
        assert megabytes < 500, name
