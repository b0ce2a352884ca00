"""A TLS cluster on this machine and two slides for it."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide


@pytest.fixture(scope="session")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slides of one biopsy."""
    folder = tmp_path_factory.mktemp("slides")
    for marker in ("CD68", "CD31"):
        rgb, truth = render_field(marker, 320.0, seed=3)
        write_slide(folder / f"P01_T1_V1_{marker}.tif", rgb, float(truth.summary["mpp"]))
    return folder


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster that takes TLS only, and this process set up to talk to it."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make certificates (Debian package openssl)")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    with importlib.import_module("tls_cluster").tls_cluster(tmp_path / "cluster") as running:
        yield running
