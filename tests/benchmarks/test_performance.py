from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from performance import Measured, _command
from performance_page import write_page
from performance_peers import WINDOW_PX, decode_all, openslide_all, textbook
from performance_slides import slide
from performance_stages import Stages


def _spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_stage_does_not_count_the_stage_inside_it() -> None:
    stages = Stages()
    inner = stages.timed("inner", _spin)

    def work() -> None:
        _spin(0.02)
        inner(0.06)

    stages.timed("outer", work)()
    assert stages.seconds["inner"] == pytest.approx(0.06, abs=0.02)
    assert stages.seconds["outer"] == pytest.approx(0.02, abs=0.02)


def test_a_process_is_charged_its_own_memory_and_time() -> None:
    ballast = bytearray(300 << 20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    wall, seconds, peak = _command("import time; held = bytearray(40 << 20); print(sum(range(10**6)))")
    assert 40 < peak < 200
    assert 0 < seconds < wall + 0.1


def test_peers_read_the_slide_that_is_written(tmp_path: Path) -> None:
    path = slide(tmp_path, WINDOW_PX)
    assert decode_all(path) == openslide_all(path) == textbook(path) == WINDOW_PX**2 / 1e6


def test_the_page_says_what_does_not_hold(tmp_path: Path) -> None:
    found = Measured(
        per_mpx={
            "decode": [0.004, 0.005, 0.004],
            "OpenSlide": [0.02, 0.02, 0.02],
            "textbook": [0.9, 0.6, 0.6],
            "histoquant": [0.03, 0.02, 0.03],
            "OpenSlide, 40x": [0.08, 0.08, 0.08],
            "histoquant, 40x": [0.08, 0.08, 0.08],
        },
        stages=Counter({"read": 1.0, "flood": 3.0}),
        stages_mpx=100.0,
        law=[(1.0, 0.1, 0.2, 0.3), (4.0, 0.4, 0.8, 1.2)],
        runs={"histoquant --help": (0.3, 0.2, 50.0)}
        | {f"histoquant run, --workers {k}": (9.0 / (k or 1), 10.0, 500.0) for k in range(3)},
        said=dict.fromkeys(("side", "machine", "load", "slope", "first tile", "HistomicsTK"), "1"),
    )
    write_page(tmp_path / "performance.md", found)
    page = (tmp_path / "performance.md").read_text()
    # ratios within repeats: 30, 30, 20
    assert "| times the textbook pipeline | >= 20 | 30 | yes |" in page
    assert "| of the decode limit | >= 12 % | 13.3 % | yes |" in page
    assert "| 40x slide, times OpenSlide's decoding | >= 1.5 | 1 | **no** |" in page
    assert "| times HistomicsTK | >= 60 | not measured | open |" in page
    assert "| two workers, times one (wall) | >= 1.8 | 2 | yes |" in page
    assert "| flood | 30.00 | 75.0 % |" in page
    assert (tmp_path / "images" / "performance" / "speed.png").stat().st_size > 10_000
