"""S16: a signature binds a name, a time and a meaning to the bytes of the results, and to nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from histoquant.cli import app
from histoquant.errors import StoreError, UsageError
from histoquant.store.atomic import write_bytes
from histoquant.store.layout import OutputFolder
from histoquant.store.log import RunLog
from histoquant.store.signatures import FOLDER, Statement, check_signatures, sign
from histoquant.store.verify import LOG, SEALS, verify, write_seals

WHO = "jane.doe@hospital.example"

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen (OpenSSH)")


def _key(folder: Path, name: str) -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Jane's key, a stranger's, and the file that allows Jane's alone."""
    folder = tmp_path_factory.mktemp("keys")
    jane, stranger = _key(folder, "jane"), _key(folder, "stranger")
    signers = folder / "signers"
    signers.write_text(f"{WHO} {jane.with_suffix('.pub').read_text()}")
    return jane, stranger, signers


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    out = OutputFolder(tmp_path / "out")
    folder = out.clear_slide("a")
    write_bytes(folder / "cells.parquet", b"cells")
    out.write_manifest("a", {"key": "a", "row": {"slide_id": "a"}})
    write_bytes(out.root / "slides.csv", b"slide_id\na\n")
    RunLog(out.root / LOG).close()
    write_seals(out)
    return out.root


def test_a_signature_holds_for_the_results_it_was_given_for(finished: Path, keys: tuple[Path, Path, Path]):
    jane, _, signers = keys
    path = sign(finished, jane, WHO, "reviewed, nothing to object")
    assert path == finished / FOLDER / "001.json"
    assert verify(finished) == []
    (said,), faults = check_signatures(finished, signers)
    assert faults == []
    assert (said.by, said.meaning) == (WHO, "reviewed, nothing to object")
    event = json.loads((finished / LOG).read_text().splitlines()[-1])
    assert (event["event"], event["by"]) == ("signing", WHO)
    assert sign(finished, jane, WHO, "approved").name == "002.json"
    held, faults = check_signatures(finished, signers)
    assert [one.meaning for one in held] == [
        "approved"
    ]  # the log, and so the seals, have grown since the first
    assert [fault.what for fault in faults] == [f"was signed by {WHO} for other results than these"]


def test_the_commands_say_who_signed_and_fail_without(finished: Path, keys: tuple[Path, Path, Path]):
    jane, _, signers = keys
    call, shown = CliRunner().invoke, [str(finished), "--signers", str(signers)]
    unsigned = call(app, ["verify", *shown])
    assert (unsigned.exit_code, unsigned.output.splitlines()[0]) == (3, "signatures: holds no signature")
    made = call(app, ["sign", str(finished), "--key", str(jane), "--by", WHO, "--meaning", "approved"])
    assert made.exit_code == 0
    signed = call(app, ["verify", *shown])
    assert signed.exit_code == 0
    assert signed.output.startswith(f"signed by {WHO}, 20")
    assert call(app, ["verify", *shown, "--json"]).output.strip() == "[]"


def test_every_single_changed_byte_of_statement_signature_and_seals_is_found(
    finished: Path, keys: tuple[Path, Path, Path]
):
    jane, _, signers = keys
    path = sign(finished, jane, WHO, "reviewed")
    for changed in (path, finished / SEALS):
        whole = changed.read_bytes()
        for at in range(0, len(whole), 7):
            changed.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert check_signatures(finished, signers)[0] == [], (changed.name, at)
        changed.write_bytes(whole)
    armour = Path(f"{path}.sig")
    lines = armour.read_text().splitlines()
    lines[2] = lines[2][::-1]
    armour.write_text("\n".join(lines))
    assert check_signatures(finished, signers)[0] == []


def test_a_stranger_or_another_purpose_does_not_pass(finished: Path, keys: tuple[Path, Path, Path]):
    jane, stranger, signers = keys
    assert [fault.what for fault in check_signatures(finished, signers)[1]] == ["holds no signature"]
    path = sign(finished, stranger, WHO, "reviewed")
    (fault,) = check_signatures(finished, signers)[1]
    assert fault.what == f"bears no signature of {WHO} by a key in signers"
    Path(f"{path}.sig").unlink()
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(jane), "-n", "file", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    assert check_signatures(finished, signers)[0] == []


def test_what_is_not_as_its_run_left_it_is_not_signed(finished: Path, keys: tuple[Path, Path, Path]):
    (finished / "slides.csv").write_text("slide_id\nb\n")
    with pytest.raises(StoreError, match=r"slides.csv differs"):
        sign(finished, keys[0], WHO, "reviewed")
    assert not (finished / FOLDER).exists()


def test_a_key_that_cannot_sign_leaves_nothing(finished: Path, keys: tuple[Path, Path, Path], tmp_path: Path):
    (tmp_path / "no.key").write_text("none\n")
    (tmp_path / "no.key").chmod(0o600)
    with pytest.raises(UsageError, match="ssh-keygen did not sign"):
        sign(finished, tmp_path / "no.key", WHO, "reviewed")
    assert list((finished / FOLDER).iterdir()) == []
    with pytest.raises(UsageError, match="ssh-keygen -t ed25519"):
        sign(finished, tmp_path / "absent", WHO, "reviewed")
    with pytest.raises(UsageError, match="--signers"):
        check_signatures(finished, tmp_path / "absent")


@pytest.mark.parametrize(
    ("by", "meaning"),
    [("", "x"), ("-Ooption", "x"), ("a b", "x"), (WHO, " "), (WHO, "two\nlines"), (WHO, "x" * 201)],
)
def test_names_and_meanings_of_more_than_a_line_are_refused(by: str, meaning: str):
    with pytest.raises(UsageError, match="expected"):
        Statement(by, meaning, "", "")


def test_without_openssh_it_is_said(finished: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="OpenSSH"):
        check_signatures(finished, tmp_path)
