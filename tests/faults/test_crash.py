"""F20, S12: a tile that crashes its worker, eats memory or never ends is found, the others are untouched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from histoquant.markers import get_marker
from histoquant.run.job import RunParameters, SlideJob
from histoquant.run.options import RunOptions
from histoquant.run.rescue import find_crash, join_parts, run_part, tile_places
from histoquant.run.runner import run_slides
from histoquant.run.tasks import plan_slide, run_batch
from histoquant.slides import find_slides
from histoquant.store.batch_file import read_batch
from histoquant.store.layout import OutputFolder

# Put on the path of worker processes only: what Python runs at their start waits for one module and
# replaces one function in it, as a decoder with a bug or a tile beyond the memory would behave.
_SITE = """
import ctypes, importlib.util, os, signal, sys

class Hook:
    def find_spec(self, name, path=None, target=None):
        if name != {module!r}:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            poison(module)
        spec.loader.exec_module = exec_module
        return spec

def die():
    with open({deaths!r}, "a") as file:
        file.write("died\\n")
    {ending}

{poison}
sys.meta_path.insert(0, Hook())
"""
_DECODER = """
def poison(module):
    whole = module.TiffSlide._decode_tile
    def decode(self, column, row, **how):
        if self.path.name.startswith("P02") and (column, row) == (1, 0):
            die()
        return whole(self, column, row, **how)
    module.TiffSlide._decode_tile = decode
"""
_MEASURE = """
def poison(module):
    whole = module.quantify_tile
    def measure(plane, tile, planned):
        where = (tile.x_px, tile.y_px)
        if plane.slide.path.name[:3] == "P02" and where == (0, 160) and {condition}:
            die()
        return whole(plane, tile, planned)
    module.quantify_tile = measure
"""

Poison = Callable[..., Path]


@pytest.fixture
def poison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Poison:
    def write(module: str, program: str, ending: str) -> Path:
        site, deaths = tmp_path / "site", tmp_path / "deaths"
        site.mkdir()
        text = _SITE.format(module=module, deaths=str(deaths), ending=ending, poison=program)
        (site / "sitecustomize.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(site))
        return deaths

    return write


def _deaths(path: Path) -> int:
    return len(path.read_text().splitlines())


ABORT, KILL = (f"os.kill(os.getpid(), {number})" for number in (6, 9))
"""A failed assertion in a C library; the system out of memory."""
HOG = "bytearray(6_000_000_000)"
HANG = "ctypes.PyDLL(None).sleep(600)"
"""In native code that no Python thread can interrupt."""
LIMIT_S = 40.0  # of which this run's tasks take a few, compilation of kernels included


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [
        pytest.param(ABORT, "TILE_CRASH", "dies each time", id="crash"),
        pytest.param(KILL, "TILE_CRASH", "dies each time", id="kill", marks=pytest.mark.full),
        pytest.param(HOG, "TILE_MEMORY", "needs more than 2000 MB each time", id="memory"),
        pytest.param(
            HANG, "TILE_TIME", "takes longer than 40 s each time", id="time", marks=pytest.mark.full
        ),
    ],
)
def test_the_tile_that_kills_its_worker_is_named_and_the_other_slides_stay(
    ending: str,
    code: str,
    said: str,
    poison: Poison,
    slides: Path,
    intact: Path,
    tmp_path: Path,
    slide_bytes: Callable[..., object],
):
    deaths = poison("histoquant.run.tile", _MEASURE.format(condition=True), ending)
    out = tmp_path / "out"
    options = RunOptions(
        (slides,), out, workers=2, tile_size_px=256, worker_memory_mb=2000, task_limit_s=LIMIT_S
    )
    assert run_slides(options) == 3
    rows = pd.read_csv(out / "slides.csv").set_index("slide_id")
    bad = rows.loc["P02_T1_V1_CD68"]
    assert bad["status"] == "FAILED"
    assert bad["reason"].startswith(f"{code}: P02_T1_V1_CD68.tif: ")
    assert said in bad["reason"]
    assert "level-0 x 0, y 160, 320 x 160 px" in bad["reason"]
    assert pd.isna(bad["nuclei"])
    assert slide_bytes(out, "P01_T1_V1_CD68") == slide_bytes(intact, "P01_T1_V1_CD68")
    assert _deaths(deaths) <= 4
    events = [json.loads(line)["event"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert events[-1] == "run_finished"


@pytest.mark.parametrize("ending", [ABORT, pytest.param(HOG, marks=pytest.mark.full)])
def test_a_decoder_crash_while_the_plan_is_made_is_found_too(
    ending: str,
    poison: Poison,
    slides: Path,
    intact: Path,
    tmp_path: Path,
    slide_bytes: Callable[..., object],
):
    deaths = poison("histoquant.slides.tiff_slide", _DECODER, ending)
    out = tmp_path / "out"
    assert run_slides(RunOptions((slides,), out, workers=1, tile_size_px=256)) == 3
    bad = pd.read_csv(out / "slides.csv").set_index("slide_id").loc["P02_T1_V1_CD68"]
    assert bad["reason"].startswith("TILE_CRASH" if ending == ABORT else "TILE_MEMORY")
    assert "level-0 x 256, y 0, 64 x 256 px" in bad["reason"]
    assert slide_bytes(out, "P01_T1_V1_CD68") == slide_bytes(intact, "P01_T1_V1_CD68")
    assert _deaths(deaths) == 4  # three of workers, one of the process that looked for the place


def test_a_worker_lost_once_costs_no_slide(
    poison: Poison, slides: Path, intact: Path, tmp_path: Path, slide_bytes: Callable[..., object]
):
    marker = tmp_path / "deaths"
    condition = f"not os.path.exists({str(marker)!r})"
    deaths = poison("histoquant.run.tile", _MEASURE.format(condition=condition), KILL)
    out = tmp_path / "out"
    assert run_slides(RunOptions((slides,), out, workers=1, tile_size_px=256)) == 0
    for slide_id in ("P01_T1_V1_CD68", "P02_T1_V1_CD68"):
        assert slide_bytes(out, slide_id) == slide_bytes(intact, slide_id)
    assert _deaths(deaths) == 1


def test_tiles_apart_make_what_their_batch_holds(slides: Path, tmp_path: Path):
    path = find_slides([slides])[0]
    job = SlideJob(
        slide_id="a", path=path, out=tmp_path, marker=get_marker("CD68"),
        parameters=RunParameters(tile_size_px=256),
    )  # fmt: skip
    assert plan_slide(job).batches == 1
    whole = run_batch(job, 0)
    batch = OutputFolder(tmp_path).batch("a", job.work_key, 0)
    content = read_batch(batch)
    batch.unlink()
    tiles = len(tile_places(job, 0))
    assert tiles == whole.tiles > 1
    for index in reversed(range(tiles)):
        run_part(job, 0, index)
    assert join_parts(job, 0) == whole
    joined = read_batch(batch)
    assert content is not None
    assert joined is not None
    assert joined.counts == content.counts
    assert joined.tables.keys() == content.tables.keys()
    for name, table in content.tables.items():
        assert joined.tables[name].schema.equals(table.schema, check_metadata=True)
        pd.testing.assert_frame_equal(joined.tables[name].to_pandas(), table.to_pandas(), check_exact=True)
    assert find_crash(job).place == ""
