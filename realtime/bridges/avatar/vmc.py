"""Send one person as a humanoid's bones by the VMC protocol (v2.7), for VTuber and Unity tools (port 39539).

Unity's axes (left-handed, y up, z forward), metres, quaternions x y z w, each bone against its parent, identity in the
T-pose.  Driven: trunk, neck, head, arms, hands, legs, feet, the place of the hips.  Not driven: twist of upper arms and
legs, fingers, expression, gaze.  Joints that are ABSENT leave their bone where it was.
The first person who is seen for half a second stands on the floor in the middle; ahead is towards the camera.
Positions of bones are the person's own; a receiver that takes only rotations keeps the avatar's proportions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from realtime.bridges.avatar import unity
from realtime.bridges.avatar.calibration import Calibration, Rest, ideal
from realtime.bridges.avatar.feet import Ground, lowest_of_feet
from realtime.bridges.avatar.humanoid import PARENTS, Rotations, rotations
from realtime.bridges.avatar.standing import Standing
from realtime.bridges.avatar.trunk import Trunk
from realtime.bridges.avatar.turn_limit import TurnLimit
from realtime.bridges.person import BridgedPerson

Message = tuple[str, list[object]]

UNCALIBRATED, WAITING, CALIBRATING, CALIBRATED = 0, 1, 2, 3
COUNTDOWN_S, HOLD_S = 3.0, 1.5
IDENTITY = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


@dataclass
class Performer:
    """Poses in, protocol messages out."""

    rest: Rest = field(default_factory=ideal)
    state: int = UNCALIBRATED
    recentring: bool = True  # on the first person; else the camera is the middle
    news: str = ""  # for the person at the keyboard; taken away once told
    _bones: Rotations | None = None
    _calibration: Calibration | None = None
    _begins_s: float = 0.0
    _seen: BridgedPerson | None = None
    _standing: Standing | None = field(default_factory=Standing)
    _turns: TurnLimit = field(default_factory=TurnLimit)
    _ground: Ground = field(default_factory=Ground)
    _trunk: Trunk = field(default_factory=Trunk)

    def calibrate(self, now_s: float, countdown_s: float = COUNTDOWN_S) -> None:
        self._begins_s, self.state, self._calibration = now_s + countdown_s, WAITING, None
        self.news = f"stand in a T-pose, facing the camera: it counts in {countdown_s:.0f} s"

    def recentre(self) -> None:
        if self._bones is None or self._seen is None:
            self.news = "nobody in view: nothing to recentre on"
            return
        self.rest = self.rest.recentred(self._bones, self._seen.joints["pelvis"])
        self._turns.forget()
        self.news = "recentred"

    def take_news(self) -> str:
        told, self.news = self.news, ""
        return told

    def messages(self, person: BridgedPerson | None, now_s: float) -> Iterator[Message]:
        self._go_on_calibrating(person, now_s)
        person = self._whole(person)
        tracking = int(person is not None)
        yield "/VMC/Ext/OK", [1, self.state, 0, tracking]
        yield "/VMC/Ext/T", [float(now_s)]
        if person is None:
            return
        self._see(person)
        if self.state != CALIBRATED and not self._stands(person):
            return
        yield "/VMC/Ext/Root/Pos", ["root", *IDENTITY]
        yield from self._bone_messages(person, now_s)

    def _whole(self, person: BridgedPerson | None) -> BridgedPerson | None:
        """With hips, also at a desk that hides them; somebody else's hang anew."""
        if person is not None and self._seen is not None and person.id != self._seen.id:
            self._trunk = Trunk()
        return self._trunk.filled(person) if person is not None else None

    def _see(self, person: BridgedPerson) -> None:
        if self._seen is not None and person.id != self._seen.id:
            self._turns.forget()  # somebody else stands elsewhere
        self._seen, self._bones = person, rotations(person.joints, person.face, self._bones)

    def _stands(self, person: BridgedPerson) -> bool:
        """Return whether the first person's place is known by now; it becomes the middle."""
        if self._standing is None:
            return True
        self._standing.add(person)
        if not self._standing.known:
            return False
        self.rest = self._standing.centre(self.rest, self.recentring)
        self._standing = None
        return True

    def _bone_messages(self, person: BridgedPerson, now_s: float) -> Iterator[Message]:
        assert self._bones is not None
        local = self._turns.limit(self.rest.local(self._bones), now_s)
        for bone in PARENTS:
            place = self.rest.offsets[bone]
            if bone == "Hips" and person.placed:
                low = lowest_of_feet(person.joints)
                place = self.rest.hips(person.joints["pelvis"], local, low, self._ground.height(low, now_s))
            yield "/VMC/Ext/Bone/Pos", [bone, *unity.position(place), *unity.rotation(local[bone])]

    def _go_on_calibrating(self, person: BridgedPerson | None, now_s: float) -> None:
        if self.state == WAITING and now_s >= self._begins_s:
            self.state, self._calibration = CALIBRATING, Calibration()
            self.news = "hold it"
        if self.state != CALIBRATING or self._calibration is None:
            return
        if person is not None:
            self._calibration.add(person.joints, person.face)
        if now_s >= self._begins_s + HOLD_S:
            self._finish(self._calibration)

    def _finish(self, calibration: Calibration) -> None:
        try:
            self.rest, self.state, self.news = calibration.rest(), CALIBRATED, "calibrated"
            self._turns.forget()
        except ValueError as error:
            self.state, self.news = UNCALIBRATED, f"not calibrated: {error}"
        self._calibration = None

    def obey(self, address: str, now_s: float) -> None:
        """Answer a VMC calibration request of another program (port 39540)."""
        if address == "/VMC/Ext/Set/Calib/Ready":
            self.calibrate(now_s)
        elif address == "/VMC/Ext/Set/Calib/Exec":
            self.calibrate(now_s, 0.0)
