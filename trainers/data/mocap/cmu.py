"""List the takes of raw CMU-like folders: whose they are, what they show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engines.skeleton import Array
from trainers.data.mocap.asf_amc import read_amc, read_asf
from trainers.data.mocap.bvh import read_bvh
from trainers.errors import UserError
from trainers.user_file import TABLE_BYTES, read_text


@dataclass(frozen=True)
class Take:
    path: Path
    clip: str  # file name without suffix: 118_01
    subject: str  # what stands before the underscore
    action: str


def find(root: Path) -> tuple[list[Take], list[str]]:
    """Return every take below `root`, and what was left out with the reason.  ASF/AMC wins over BVH of the same
    name."""
    if not root.is_dir():
        raise UserError(f"--root {root}: no such folder; name the one that holds .asf/.amc or .bvh files")
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in (".amc", ".bvh"))
    if not files:
        raise UserError(f"--root {root}: no .amc or .bvh file below it; expected raw motion, one file a take")
    actions = descriptions(root)
    takes: dict[str, Take] = {}
    doubles: list[str] = []
    for path in sorted(files, key=lambda p: p.suffix.lower()):
        if path.stem in takes:
            doubles.append(f"{path.relative_to(root)}: the same take as {takes[path.stem].path.relative_to(root)}")
        else:
            takes[path.stem] = Take(path, path.stem, path.stem.split("_")[0], actions.get(path.stem, ""))
    return sorted(takes.values(), key=lambda t: (t.subject, t.clip)), doubles


def descriptions(root: Path) -> dict[str, str]:
    """Clip -> text, from every *index*.txt below root whose lines are `01_01<tab>text`."""
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*index*.txt")):
        for line in read_text(path, TABLE_BYTES, "replace").splitlines():
            clip, _, text = line.strip().partition("\t")
            if text and "_" in clip:
                found[clip] = text.strip()
    return found


def read(take: Take) -> tuple[Array, float]:
    """Return (T, 17, 3) metres, Y up, and frames a second."""
    if take.path.suffix.lower() == ".bvh":
        return read_bvh(take.path)
    return read_amc(take.path, read_asf(skeleton(take.path)))


def skeleton(path: Path) -> Path:
    """118_01.amc -> 118.asf beside it, or the only skeleton of its folder."""
    beside = [p for p in path.parent.iterdir() if p.suffix.lower() == ".asf"]
    named = [p for p in beside if p.stem in (path.stem, path.stem.split("_")[0])]
    if named or len(beside) == 1:
        return (named or beside)[0]
    found = ", ".join(p.name for p in beside[:4]) or "none"
    raise UserError(
        f"{path}: its skeleton {path.stem.split('_')[0]}.asf is not beside it (found {found}); put it there"
    )
