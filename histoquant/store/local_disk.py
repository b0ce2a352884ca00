"""Whether a folder lies on a disk of this machine, where what was just written is read again from memory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")
_LOCAL: Final = frozenset(
    ["bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"]
)


def is_local(folder: Path, mounts: Path = _MOUNTS) -> bool:
    """Whether a folder's file system is one of this machine's own disks.

    Parameters
    ----------
    folder : Path
    mounts : Path
        Linux's list of mounted file systems.

    Returns
    -------
    bool
        True where there is no such list: other systems do not say.
    """
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return True
    place, found, kind = folder.resolve(), -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        # spaces in names stand as \\040
        at = Path(before.split()[4].encode().decode("unicode_escape", "surrogateescape"))
        if place.is_relative_to(at) and len(at.parts) >= found:
            found, kind = len(at.parts), after.split()[0]
    return kind in _LOCAL
