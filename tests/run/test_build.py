"""A run is of one build: sources, libraries, architecture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from histoquant.errors import StoreError
from histoquant.markers import get_marker
from histoquant.run import build
from histoquant.run.build import build_digest, library_version, refuse_other_build, sources_digest
from histoquant.run.job import SlideJob
from histoquant.run.rescue import join_parts, run_part
from histoquant.run.tasks import commit_slide, plan_slide, run_batch


def test_the_digest_hangs_on_sources_and_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert sources_digest.__wrapped__() == sources_digest()
    package = tmp_path / "histoquant"
    package.mkdir()
    (package / "__init__.py").write_text("a = 1\n")
    monkeypatch.setattr(build.histoquant, "__file__", str(package / "__init__.py"))
    before = sources_digest.__wrapped__()
    (package / "__init__.py").write_text("a = 2\n")
    assert before != sources_digest.__wrapped__() != sources_digest()
    whole = build_digest.__wrapped__()
    monkeypatch.setattr(build, "library_version", lambda name: "0")
    assert build_digest.__wrapped__() != whole
    assert library_version("numpy")
    assert library_version("no-such-distribution") is None


def test_the_message_says_what_to_do():
    refuse_other_build("", "a.svs")
    refuse_other_build(build_digest(), "a.svs")
    with pytest.raises(StoreError, match=r"a\.svs: the worker on .* another build .*numpy.*same versions"):
        refuse_other_build("0" * 64, "a.svs")


@pytest.mark.parametrize(
    ("task", "part"),
    [(plan_slide, ()), (run_batch, (0,)), (commit_slide, ()), (run_part, (0, 0)), (join_parts, (0,))],
)
def test_every_task_refuses(task: Callable[..., object], part: tuple[int, ...], tmp_path: Path):
    job = SlideJob(slide_id="a", path=tmp_path / "a.tif", out=tmp_path, marker=get_marker("CD68"), build="x")
    with pytest.raises(StoreError, match="another build"):
        task(job, *part)
    assert not list(tmp_path.iterdir())
