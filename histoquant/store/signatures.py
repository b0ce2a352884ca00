"""Signatures on a finished output folder: who vouches for which bytes, when, and meaning what.

Made and checked by OpenSSH (``ssh-keygen -Y``), so that keys, passphrases, agents and hardware tokens are
those a site already has, and anyone can check a signature without this library.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from histoquant.errors import StoreError, UsageError
from histoquant.store.atomic import file_sha256, json_bytes, make_folder, write_bytes
from histoquant.store.lock import OutputLock
from histoquant.store.log import RunLog
from histoquant.store.verify import LOG, SEALS, Fault, renew_seals, verify

FOLDER: Final = "signatures"
_NAMESPACE: Final = "histoquant"  # a signature for anything else does not pass here
_WHO: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_LONGEST_MEANING: Final = 200


@dataclass(frozen=True)
class Statement:
    """What is signed.

    Attributes
    ----------
    by : str
        Who signs, as the file of allowed signers names them.
    meaning : str
        What the signature stands for: ``"reviewed"``, ``"approved"``.
    time : str
        UTC, of the clock of the machine that signed.
    seals_sha256 : str
        Digest of ``SHA256SUMS``, which holds those of all results.

    Raises
    ------
    UsageError
        If name or meaning cannot be written in one line.
    """

    by: str
    meaning: str
    time: str
    seals_sha256: str

    def __post_init__(self) -> None:
        if not _WHO.fullmatch(self.by):
            raise UsageError(
                f"--by {self.by!r}: expected a name as in the file of allowed signers, letters, digits and "
                "._@+- only, for example jane.doe@hospital.example."
            )
        if not self.meaning.strip() or len(self.meaning) > _LONGEST_MEANING or not self.meaning.isprintable():
            raise UsageError(f"--meaning: expected one line of at most {_LONGEST_MEANING} characters.")


def sign(root: Path, key: Path, by: str, meaning: str) -> Path:
    """Sign the results of a finished run as they are now.

    Parameters
    ----------
    root : Path
        Output folder.
    key : Path
        Private key of OpenSSH, or a public one whose private half an agent or token holds. A passphrase is
        asked for on the terminal.
    by, meaning : str
        See `Statement`.

    Returns
    -------
    Path
        The statement, below ``signatures/``; its signature lies beside it, with ``.sig`` added.

    Raises
    ------
    UsageError
        If the key cannot sign, or ssh-keygen is not installed.
    StoreError
        If the folder does not hold what its run wrote.

    Notes
    -----
    That it is to be signed goes into the log first, so that the log which is signed tells of it.
    """
    program = _ssh_keygen()
    Statement(by, meaning, "", "")  # refused before anything is written
    if not key.is_file():
        raise UsageError(f"--key {key}: not there. Make one with ssh-keygen -t ed25519.")
    with OutputLock(root):
        faults = verify(root)
        if faults:
            raise StoreError(
                f"{root}: cannot be signed, {faults[0].file} {faults[0].what} ({len(faults)} in all; see "
                "`histoquant verify`). Run again first."
            )
        log = RunLog(root / LOG)
        log.write("signing", by=by, meaning=meaning)
        log.close()
        renew_seals(root, [])
        time = datetime.now(UTC).isoformat(timespec="seconds")
        statement = Statement(by, meaning, time, file_sha256(root / SEALS))
        return _write_signed(root / FOLDER, statement, [program, "-Y", "sign", "-f", str(key)])


def _write_signed(folder: Path, statement: Statement, command: list[str]) -> Path:
    make_folder(folder)
    numbers = [int(path.stem) for path in folder.glob("*.json") if path.stem.isdigit()]
    path = folder / f"{max(numbers, default=0) + 1:03d}.json"
    write_bytes(path, json_bytes(asdict(statement)))
    done = subprocess.run(  # noqa: S603 - ssh-keygen, with paths as arguments of their own
        [*command, "-n", _NAMESPACE, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        path.unlink()
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UsageError(f"ssh-keygen did not sign: {said}")
    return path


def check_signatures(root: Path, signers: Path) -> tuple[list[Statement], list[Fault]]:
    """Which signatures hold for the results as they are listed now.

    Parameters
    ----------
    root : Path
        Output folder; `verify` says whether the results are those that ``SHA256SUMS`` lists.
    signers : Path
        Who is trusted with which public key, in OpenSSH's format of allowed signers.

    Returns
    -------
    statements : list of Statement
        Of signatures that hold.
    faults : list of Fault
        One for every other, and one if there is none at all.

    Raises
    ------
    UsageError
        If the file of signers is not there, or ssh-keygen is not installed.
    """
    program = _ssh_keygen()
    if not signers.is_file():
        raise UsageError(
            f"--signers {signers}: not there. Each line names a signer and a public key: "
            "jane.doe@hospital.example ssh-ed25519 AAAA..."
        )
    paths = sorted((root / FOLDER).glob("*.json"))
    faults = [] if paths else [Fault(FOLDER, "holds no signature")]
    seals_sha256 = file_sha256(root / SEALS) if (root / SEALS).is_file() else ""
    held = []
    for path in paths:
        name = f"{FOLDER}/{path.name}"
        content = path.read_bytes()
        statement = _statement(content)
        if statement is None:
            faults.append(Fault(name, "is no statement that `histoquant sign` wrote"))
        elif not _is_signed(program, content, path, (statement.by, signers)):
            faults.append(Fault(name, f"bears no signature of {statement.by} by a key in {signers.name}"))
        elif statement.seals_sha256 != seals_sha256:
            faults.append(Fault(name, f"was signed by {statement.by} for other results than these"))
        else:
            held.append(statement)
    return held, faults


def _statement(content: bytes) -> Statement | None:
    try:
        return Statement(**json.loads(content))
    except (ValueError, TypeError, UsageError):
        return None


def _is_signed(program: str, content: bytes, path: Path, who: tuple[str, Path]) -> bool:
    by, signers = who
    command = [
        program, "-Y", "verify", "-f", str(signers), "-I", by, "-n", _NAMESPACE, "-s", f"{path}.sig"
    ]  # fmt: skip
    return subprocess.run(command, input=content, capture_output=True, check=False).returncode == 0  # noqa: S603


def _ssh_keygen() -> str:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UsageError("signatures need ssh-keygen, which is part of OpenSSH 8.2 and later: install it.")
    return program
