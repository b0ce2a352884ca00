"""What must not be loaded before it is needed: by name, because a time depends on the machine."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

SLOW: Final = (
    *("numba", "scipy.ndimage", "scipy.spatial", "scipy.special", "scipy.stats", "statsmodels", "skimage"),
    *("pandas", "pyarrow", "matplotlib", "dask", "distributed", "jinja2", "napari", "anndata", "zarr"),
)
"""Each takes a tenth of a second or more."""

FACES: Final = ("histoquant", *(f"histoquant.{name}" for name in ("export", "objects", "report", "slides")),
                "histoquant.stains", "histoquant.study")  # fmt: skip

_RUN: Final = """
import json, sys
sys.argv = ["histoquant", *json.loads(sys.argv[1])]
from histoquant.cli import main
try:
    main()
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""

_FIRST_TILES: Final = """
import json, sys
from pathlib import Path
import histoquant.run.whole_run
from histoquant.run.intake import take_in
from histoquant.run.options import RunOptions
from histoquant.run.tasks import plan_slide, run_batch
job = take_in(RunOptions(slides=(Path(sys.argv[1]),), out=Path(sys.argv[2]))).jobs(Path(sys.argv[2]))[0]
assert plan_slide(job).batches == 1
assert run_batch(job, 0).cells > 0
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def _loaded(code: str, *arguments: str) -> tuple[str, set[str]]:
    """What was said, and which of the slow libraries a process of its own has loaded at its end."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    *said, modules = done.stderr.strip().splitlines() or [""]
    assert modules.startswith("["), done.stderr
    return "\n".join(said) + done.stdout, {name for name in json.loads(modules) if name in SLOW}


def test_a_process_that_loads_everything_is_noticed():
    assert _loaded("import sys, json, pandas; print(json.dumps(list(sys.modules)), file=sys.stderr)")[1] >= {
        "pandas"
    }


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], ["run", "--help"], ["study", "--help"]])
def test_help_loads_nothing_slow(arguments: list[str]):
    assert _loaded(_RUN, json.dumps(arguments))[1] == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "SLIDE", "--marker", "CD99"), "unknown marker 'CD99'"),
        (("run", "SLIDE", "--set", "treshold_od=0.2"), "no setting is named 'treshold_od'"),
        (("run", "SLIDE", "--set", "threshold_od=9"), "--set threshold_od=9"),
        (("run", "SLIDE", "--mpp", "nan"), "--mpp nan"),
        (("run", "SLIDE", "--segmenter", "nobody"), "--segmenter nobody"),
        (("run", "SLIDE", "--calibration", "STUDY"), "no calibration file"),
        (("run", "SLIDE", "--scheduler", "tcp://10.0.0.1:8786"), "plain tcp scheduler"),
        (("run", "FOLDER", "--study", "STUDY"), "unknown key"),
        (("run", "FOLDER", "-o", "FOLDER"), "is the slide folder itself"),
        (("run", "SLIDE", "-o", "/proc/out"), "Choose another folder with -o"),
        (("calibrate", "SLIDE", "--marker", "CD99"), "unknown marker 'CD99'"),
        (("inspect", "SLIDE", "--marker", "CD99"), "unknown marker 'CD99'"),
        (("study", "FOLDER"), "no finished run"),
        (("export", "FOLDER", "--to", "shapefile"), "not a format"),
        (("verify", "FOLDER"), "no run was finished"),
        (("status", "FOLDER"), "no run was started"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_slow_is_loaded(
    tmp_path: Path, arguments: tuple[str, ...], said: str
):
    slide = tmp_path / "P01_T1_V1_CD68.tif"
    slide.write_bytes(b"never opened")
    (tmp_path / "wrong.toml").write_text("[run]\nworker = 1\n")
    places = {"SLIDE": str(slide), "FOLDER": str(tmp_path), "STUDY": str(tmp_path / "wrong.toml")}
    told, loaded = _loaded(_RUN, json.dumps([places.get(word, word) for word in arguments]))
    assert said in told
    assert loaded == set()


def test_the_first_tiles_wait_for_no_library_of_tables_or_statistics(slides: Path, tmp_path: Path):
    _, loaded = _loaded(_FIRST_TILES, str(slides / "P01_T1_V1_CD68.tif"), str(tmp_path))
    assert loaded == {"numba", "pyarrow"}


@pytest.mark.parametrize("package", FACES)
def test_a_face_gives_every_name_it_lists_and_hides_none_behind_a_module(package: str):
    face = importlib.import_module(package)
    assert set(face.__all__) <= set(dir(face))
    for name in face.__all__:
        assert getattr(face, name) is not None
    modules = {module.name for module in pkgutil.iter_modules(face.__path__)}
    assert modules.isdisjoint(set(face.__all__) - {"stains"}), "a module hides a public name"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = face.nothing
