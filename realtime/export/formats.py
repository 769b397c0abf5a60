"""List the export formats: who writes them, what they can say and what they cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from realtime.export.clip import ExportClip, padded
from realtime.export.markers import OPENSIM, opensim_markers
from realtime.export.rigging.rig_names import CHOICES
from realtime.export.writers import angle_files, bvh, c3d, glb, tables, trc

OWN = "own"  # the recording's own names of joints

WriteOne = Callable[[Path, ExportClip, str, str, float], None]  # path, clip, keep, names, scale
WriteAll = Callable[[Path, list[ExportClip], str], None]  # path, clips, keep


@dataclass(frozen=True)
class Format:
    suffix: str
    write_one: WriteOne | None = None  # a file a person
    write_all: WriteAll | None = None  # one file for everybody
    names: tuple[str, ...] = ()  # kinds of names it can be written with; the first one is the default
    rig: bool = False  # joint rotations: what was not seen keeps its last one
    marks_beside: bool = False  # it cannot mark a hidden joint: a file of states goes beside it
    whole_axis: bool = False  # it cannot say when a person begins: it holds every frame of the recording
    even_only: bool = False  # it knows one rate, not a time for each frame


def write_trc(path: Path, clip: ExportClip, keep: str, names: str, scale: float) -> None:  # noqa: ARG001
    trc.write(path, opensim_markers(clip) if names == OPENSIM else clip, keep)


FORMATS: dict[str, Format] = {
    "bvh": Format(
        ".bvh", lambda path, clip, keep, names, scale: bvh.write(path, clip, keep, scale, names),
        names=CHOICES, rig=True, marks_beside=True, whole_axis=True, even_only=True,
    ),
    "glb": Format(
        ".glb", lambda path, clip, keep, names, _scale: glb.write(path, clip, keep, names),
        names=CHOICES, rig=True, marks_beside=True, whole_axis=True,
    ),
    "trc": Format(".trc", write_trc, names=(OWN, OPENSIM), marks_beside=True),
    "c3d": Format(
        ".c3d", lambda path, clip, keep, _names, _scale: c3d.write(path, clip, keep), whole_axis=True, even_only=True
    ),
    "mot": Format(".mot", lambda path, clip, keep, _names, _scale: angle_files.write_mot(path, clip, keep)),
    "angles": Format(".angles.csv", write_all=angle_files.write_csv),
    "csv": Format(".csv", write_all=lambda path, clips, _keep: tables.write_csv(path, clips)),
    "json": Format(".json", write_all=lambda path, clips, _keep: tables.write_json(path, clips)),
    "npz": Format(".npz", write_all=lambda path, clips, _keep: tables.write_npz(path, clips)),
}  # fmt: skip
ALL_NAMES = tuple(dict.fromkeys(name for each in FORMATS.values() for name in each.names))


def marks_path(path: Path) -> Path:
    return path.with_name(path.name + ".states.csv")


def write_marks(path: Path, clip: ExportClip, whole_axis: bool) -> None:
    tables.write_states(path, padded(clip) if whole_axis else clip)
