"""Fuse the cameras' poses of one moment: everybody in the room, once, in the first camera's axes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from engines.skeleton import JointSet
from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.calibration.errors import CalibrationError
from realtime.fusion.people import FEWEST_JOINTS, Member, RoomPeople, RoomPerson, Seen
from realtime.fusion.synchrony import Synchrony
from realtime.fusion.view import CameraView
from realtime.lift.root import Gravity
from realtime.wire.messages import Person3D, Pose3D, Stamp

FUSED = "fused"  # name of the source that fused poses are published as
JUDGED_FRAMES = 60  # in which two cameras saw people, before they are said not to belong together
REMEMBERED_FRAMES = 600
AGAIN_NS = 10_000_000_000  # between two comparisons of what cameras show when
AGREEING_SHARE = 0.3  # of those frames, from which on they do
Moment = dict[int, Pose3D]  # camera -> its pose of this moment


@dataclass
class Fuser:
    """Calibrated cameras in the order of the sources; the first one is the lead."""

    cameras: list[CalibratedCamera]
    joints: JointSet
    tilt_deg: float | None = None  # of the lead camera
    first_id: int = 1
    compared: int = 0  # frames in which two cameras saw somebody well
    agreed: int = 0  # those in which they saw the same person
    delays: dict[int, float] = field(default_factory=dict)  # camera -> s it is behind the lead, as last measured
    _pairs: dict[int, Synchrony] = field(default_factory=dict)
    _compared_ns: int = -(10**12)
    _fitted: dict[tuple[int, tuple[int, int]], CalibratedCamera] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.people, self._gravity = RoomPeople(self.first_id), Gravity(self.tilt_deg)

    def fuse(self, moment: Moment, stamp: Stamp) -> tuple[Pose3D, dict[Member, int]]:
        """Return the fused pose, and whom each camera's person became."""
        seen: Seen = {
            (number, person.id): CameraView(self.camera(number, (pose.width, pose.height)), person)
            for number, pose in moment.items() for person in pose.people
        }  # fmt: skip
        groups = self.people.update(seen)
        self._compare(seen, groups)
        self._synchronise(seen, stamp.t_capture_ns)
        size = (moment[0].width, moment[0].height) if 0 in moment else self.cameras[0].size
        lead = self.camera(0, size)
        people = tuple(self._person(group, seen, lead, stamp.t_capture_ns) for group in groups)
        up, source = self._gravity.update(stamp.t_capture_ns, people, self.joints)
        pose = Pose3D(
            stamp, *size, "OK" if people else "NO_PERSON", people, up, source,
            max((pose.look_ahead_ms for pose in moment.values()), default=0.0),
            live=all(pose.live for pose in moment.values()),
        )  # fmt: skip
        return pose, {member: group.fused.id for group in groups for member in group.members}

    def camera(self, number: int, size: tuple[int, int]) -> CalibratedCamera:
        """Return the calibration for pictures of this size; CalibrationError where the shapes differ."""
        if (number, size) not in self._fitted:
            camera = self.cameras[number]
            try:
                self._fitted[number, size] = camera.fitted(size)
            except ValueError as error:
                raise CalibrationError(
                    f"calibration and pictures do not belong together: camera {camera.name}: {error}; calibrate at the "
                    "size you run, uncut and unrotated, or say which is which: --cameras A,B"
                ) from None
        return self._fitted[number, size]

    def _person(self, group: RoomPerson, in_view: Seen, lead: CalibratedCamera, t_ns: int) -> Person3D:
        views = {number: in_view[member] for number, member in group.cameras(in_view).items()}
        return finite(group.fused.fuse(views, lead, self.joints, t_ns))

    def _compare(self, views: Seen, groups: list[RoomPerson]) -> None:
        well = {number for (number, _), view in views.items() if np.count_nonzero(view.observed) >= 2 * FEWEST_JOINTS}
        if len(well) < 2:
            return
        if self.compared >= REMEMBERED_FRAMES:  # what was long ago fades
            self.compared, self.agreed = self.compared // 2, self.agreed // 2
        self.compared += 1
        self.agreed += any(len(group.cameras(views)) > 1 and group.doubts == 0 for group in groups)

    def _synchronise(self, views: Seen, t_ns: int) -> None:
        """Compare the others with the lead over some seconds, while each sees one person."""
        if t_ns < self._compared_ns + AGAIN_NS:
            return
        alone = {n: v for (n, _), v in views.items() if sum(m[0] == n for m in views) == 1}
        for number, view in alone.items():
            if number == 0 or 0 not in alone:
                continue
            pair = self._pairs.setdefault(number, Synchrony())
            pair.add(alone[0].sight, view.sight, t_ns)
            if pair.full:
                self.delays[number] = pair.delay_s()
                del self._pairs[number]
                self._compared_ns = t_ns if not self._pairs else self._compared_ns

    def disagreement(self, names: list[str]) -> str:
        """In a line, what is the matter where the cameras never see the same person; else nothing."""
        if late := {n: s for n, s in self.delays.items() if s}:
            number, delay = next(iter(late.items()))
            return (
                f"{names[number]}: shows everything {abs(delay):.2f} s {'later' if delay > 0 else 'earlier'} than "
                f"{names[0]}; cut the films to begin at the same moment (ffmpeg -ss SECONDS -i FILM), or use cameras "
                "without that delay"
            )
        if self.compared < JUDGED_FRAMES or self.agreed >= AGREEING_SHARE * self.compared:
            return ""
        return (
            f"{', '.join(names)}: what one camera sees is where the other sees it in {self.agreed} of {self.compared} "
            "frames: calibration and cameras do not belong together, films do not begin at the same moment, or they "
            "show other people; check --cameras A,B, cut the films alike, calibrate anew"
        )


def finite(person: Person3D) -> Person3D:
    """Return numbers that may leave; a solution that is none counts as nothing known."""
    if all(np.isfinite(values).all() for values in (person.xyz, person.sigma, person.xy)):
        return person
    xyz, sigma, xy = (np.nan_to_num(v, posinf=1.0, neginf=-1.0) for v in (person.xyz, person.sigma, person.xy))
    return replace(person, xyz=xyz, sigma=np.maximum(sigma, 0), xy=xy)
