from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from performance import Law, Measured
from performance_dask import Shares, dask_shares
from performance_page import write_page
from performance_peers import WINDOW_PX, decode_all, openslide_all, textbook
from performance_slides import slide
from performance_stages import Stages
from performance_workers import Steady, Took, command, folder_of, steady


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
    wall, seconds, peak = command("import time; held = bytearray(40 << 20); print(sum(range(10**6)))")
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
        law=[Law(4.0, 0.1, 0.2, 0.3, 500.0), Law(16.0, 0.4, 0.8, 1.2, 700.0)],
        runs={"histoquant --help": Took(0.3, 0.2, 50.0)},
        steady={
            k: Steady(
                Took(5.0 + 8.0 / max(k, 1), 9.0, 500.0),
                Took(5.0 + 24.0 / max(k, 1), 25.0 + k, 500.0),
                slides=(2, 6),
            )
            for k in range(3)
        },
        shares=Shares(5, 20.0, 0.2, 0.5),
        pairs={"decoding JPEG": 1.98},
        said=dict.fromkeys(("side", "machine", "load", "slope", "first tile", "HistomicsTK"), "1"),
    )
    write_page(tmp_path / "performance.md", found)
    page = (tmp_path / "performance.md").read_text()
    # ratios within repeats: 30, 30, 20
    assert "| times the textbook pipeline | >= 20 | 30 | yes |" in page
    assert "| of the decode limit | >= 12 % | 13.3 % | yes |" in page
    assert "| 40x slide, times OpenSlide's decoding | >= 1.5 | 1 | **no** |" in page
    assert "| times HistomicsTK | >= 60 | not measured | open |" in page
    assert "| two workers, times one (wall, steady) | >= 1.8 | 2 | yes |" in page
    assert "| what Dask adds (processor, by thread) | <= 3 % | 3.5 % | **no** |" in page
    assert "one worker quantified 5 slides: 20.0 s its tasks" in page
    # 4 and 4.25 processor seconds
    assert "| one worker, more than none (processor, steady) | <= 3 % | 6.25 % | **no** |" in page
    assert "| peak memory of one process | <= 800 MB | 734 MB | yes |" in page
    assert "| 1 | 4.00 | 4.25 | 5.00 | 0.50 | 500 |" in page
    assert "| flood | 30.00 | 75.0 % |" in page
    assert "| decoding JPEG | 1.98 |" in page
    assert (tmp_path / "images" / "performance" / "speed.png").stat().st_size > 10_000


def test_a_folder_holds_the_slide_once_for_each_patient(tmp_path: Path) -> None:
    path = slide(tmp_path, 512)
    for count in (3, 2):
        found = sorted(folder_of(tmp_path / "many", path, count).iterdir())
        assert [each.name[:3] for each in found] == ["P01", "P02", "P03"][:count]
        assert all(each.samefile(path) for each in found)


def test_start_and_end_of_a_run_do_not_count_in_steady_state(tmp_path: Path) -> None:
    def run(code: str, *words: str) -> Took:
        slides, workers = len(list(Path(words[1]).iterdir())), int(words[-1])
        return Took(7.0 + 3.0 * slides / workers, 11.0 + 3.5 * slides, 100.0)

    found = steady(slide(tmp_path, 512), tmp_path, (1, 2), run)
    assert [(each.wall_s, each.processor_s) for each in found.values()] == [(3.0, 3.5), (1.5, 3.5)]
    assert found[2].start == (7.0, 11.0)


def test_threads_of_a_real_cluster_are_told_apart(tmp_path: Path) -> None:
    found = dask_shares(slide(tmp_path, 512), tmp_path / "shares", slides=3)
    assert found.tasks_s > found.others_s > 0
    assert found.here_s > 0
    assert found.slides == 2
