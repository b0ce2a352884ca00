"""The slides in the checkout are those that measured figures stand on, with the truth drawn beside them."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "sample_slides"


def test_every_file_is_the_one_its_digest_names() -> None:
    lines = (SAMPLES / "SHA256SUMS").read_text().splitlines()
    listed = dict(reversed(line.split("  ", 1)) for line in lines)
    files = {path.relative_to(SAMPLES).as_posix(): path for path in SAMPLES.rglob("*") if path.is_file()}
    assert set(files) - {"SHA256SUMS", "README.md"} == set(listed)
    altered = [
        n for n, digest in listed.items() if hashlib.sha256(files[n].read_bytes()).hexdigest() != digest
    ]
    assert altered == []


def test_every_slide_has_its_truth() -> None:
    with (SAMPLES / "truth" / "truth.csv").open() as file:
        told = {row["slide"]: row for row in csv.DictReader(file)}
    assert set(told) == {path.name for path in SAMPLES.glob("*.tif")}
    for name, row in told.items():
        with (SAMPLES / "truth" / name.replace(".tif", "_nuclei.csv")).open() as file:
            nuclei = list(csv.DictReader(file))
        countable = [n for n in nuclei if n["visible"] == "1" and n["excluded"] == "0"]
        assert len(countable) == int(row["nuclei"])
