from __future__ import annotations

import os
from pathlib import Path

from histoquant.run.build import forget_stale_kernels


def _file(path: Path, text: str, at_s: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (at_s, at_s))
    return path


def test_what_was_compiled_before_any_kernel_was_edited_is_deleted(tmp_path: Path):
    _file(tmp_path / "objects" / "walk.py", "from numba import njit", 100)
    _file(tmp_path / "stains" / "density.py", "from numba import njit", 300)
    before = _file(tmp_path / "objects" / "__pycache__" / "walk.walk-1.py311.nbi", "", 200)
    after = _file(tmp_path / "objects" / "__pycache__" / "walk.close-9.py311.nbi", "", 400)
    marks = [_file(tmp_path / "objects" / "__pycache__" / f"compiled-CD{at}", "", at) for at in (201, 401)]
    forget_stale_kernels(tmp_path)
    assert not before.exists()
    assert after.exists()
    assert [mark.exists() for mark in marks] == [False, True], "what is gone is compiled ahead again"


def test_an_edit_of_anything_else_costs_no_compiling(tmp_path: Path):
    _file(tmp_path / "objects" / "walk.py", "from numba import njit", 100)
    _file(tmp_path / "report" / "words.py", "WORDS = ()", 300)
    kept = _file(tmp_path / "objects" / "__pycache__" / "walk.walk-1.py311.nbi", "", 200)
    forget_stale_kernels(tmp_path)
    assert kept.exists()


def test_a_package_without_kernels_is_left_alone(tmp_path: Path):
    kept = _file(tmp_path / "__pycache__" / "of_others.nbi", "", 1)
    forget_stale_kernels(tmp_path)
    assert kept.exists()
