"""The wheel, outside the checkout: it holds what it needs, runs, and tells its types to a user's checker."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content as `pip install` would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Python that finds the wheel before the checkout."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=500,
        cwd=cwd,
        env=environment,
    )


def test_it_holds_code_types_and_templates_and_nothing_else(installed: Path) -> None:
    names = {path.relative_to(installed).parts[0] for path in installed.rglob("*") if path.is_file()}
    assert {name.split("-")[0] for name in names} == {"histoquant"}
    assert (installed / "histoquant" / "py.typed").is_file()
    assert list((installed / "histoquant" / "report" / "templates").iterdir())
    (licence,) = installed.glob("*.dist-info/licenses/LICENSE")
    assert "Redistribution and use" in licence.read_text()
    heavy = sum(path.stat().st_size for path in installed.rglob("*") if path.is_file())
    assert heavy < 5_000_000


@pytest.mark.full
def test_it_makes_samples_and_quantifies_them(installed: Path, tmp_path: Path) -> None:
    code = (
        "import histoquant, pathlib; from histoquant.phantoms import render_field\n"
        "from histoquant.phantoms.writer import write_slide\n"
        "rgb, truth = render_field('CD68', 220.0, seed=2)\n"
        "pathlib.Path('slides').mkdir(); write_slide(pathlib.Path('slides/P01_T1_V1_CD68.tif'), rgb, 0.5)\n"
        "print(histoquant.__file__)\n"
    )
    drawn = run(installed, "-c", code, cwd=tmp_path)
    assert drawn.stdout.strip() == str(installed / "histoquant" / "__init__.py"), drawn.stderr
    done = run(installed, "-m", "histoquant", "run", "slides", "-o", "out", "--workers", "0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    said = run(installed, "-m", "histoquant", "--version", cwd=tmp_path)
    assert said.stdout.startswith("histoquant 0.")


@pytest.mark.full
def test_a_users_type_checker_sees_its_types(installed: Path, tmp_path: Path) -> None:
    script = tmp_path / "analysis.py"
    script.write_text(
        "import histoquant as hq\n\n"
        "slide = hq.open_slide('a.svs')\n"
        "result = hq.quantify(slide, marker='CD68')\n"
        "reveal_type(result)\n"
        "reveal_type(hq.load_results('out').slides)\n"
        "hq.quantify(slide, marker=3)\n"
    )
    checked = run(
        installed,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--cache-dir",
        tmp_path / "c",
        script,
        cwd=tmp_path,
    )
    assert "Quantified" in checked.stdout, checked.stdout + checked.stderr
    assert "DataFrame" in checked.stdout
    assert 'Argument "marker" to "quantify" has incompatible type "int"' in checked.stdout
    assert checked.stdout.count("error:") == 1, checked.stdout
