"""The vocabulary's bytes: everything survives the way, anybody can read them, nothing else is let in."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from realtime.wire import codec
from realtime.wire.messages import (
    Health,
    Hello,
    Keypoints2D,
    MessageError,
    Person2D,
    Pose3D,
    Truth,
    decode,
    encode,
    replace,
    split,
)
from tests.support.peer import J2, J3, frame, hello, keypoints, person2d, pose, stamp

TRUTH = Truth(stamp(), np.ones((2, J3, 3), np.float32), np.ones((2, J3, 2), np.float32), np.ones((2, J3), np.uint8))
EVERY = [frame(), keypoints(people=2), keypoints(people=0), pose(people=3), pose(people=0), hello(), TRUTH,
         Health("lift", "DEGRADED", "lagging", 29.7, 3, 1, 0, 2.5, 9.0)]  # fmt: skip


def same(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and one.dtype == other.dtype and bool((one == other).all())
    if is_dataclass(one):
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def wire(plain: dict, topic: str = "pose3d") -> bytes:
    return f"{topic}/cam0\0".encode() + msgpack.packb(plain)


def plain_of(message) -> dict:
    return msgpack.unpackb(bytes(split(encode("pose3d", "cam0", message))[2]))


@pytest.mark.parametrize("message", EVERY, ids=lambda m: type(m).__name__)
def test_every_message_survives_the_way(message):
    data = encode("topic", "cam0", message)
    assert same(decode(type(message), data), message)
    assert split(data)[:2] == ("topic", "cam0")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_person_survives_the_way(data):
    joints = data.draw(st.integers(1, 140))
    numbers = st.floats(-1e6, 1e6, width=32)
    draw = lambda *shape: data.draw(arrays.arrays(np.float32, shape, elements=numbers))  # noqa: E731
    share = lambda: data.draw(arrays.arrays(np.float32, joints, elements=st.floats(0, 1, width=32)))  # noqa: E731
    world = data.draw(st.sampled_from([None, draw(joints, 3)]))
    person = Person2D(data.draw(st.integers(0, 2**31 - 1)), draw(joints, 2), share(), share(), world)
    message = Keypoints2D(stamp(data.draw(st.integers(-1, 2**53))), 640, 480, (person,))
    assert same(decode(Keypoints2D, encode("keypoints2d", "cam0", message)), message)


def test_the_bytes_are_what_the_page_promises():
    sent = pose(7)
    data = encode("pose3d", "cam0", sent)
    head, body = data.split(b"\0", 1)
    plain = msgpack.unpackb(body)
    assert head == b"pose3d/cam0" and plain["v"] == 1 and plain["seq"] == 7 and plain["source"] == "cam0"
    assert all(type(key) is str for key in plain)
    xyz = np.frombuffer(plain["people"][0]["xyz"], "<f4").reshape(-1, 3)
    assert (xyz == sent.people[0].xyz).all() and len(plain["people"][0]["state"]) == J3


def test_other_number_types_are_written_as_declared():
    person = replace(person2d(), xy=np.ones((J2, 2), ">f8"), score=np.ones(J2, np.int64))
    read = decode(Keypoints2D, encode("keypoints2d", "cam0", replace(keypoints(), people=(person,)))).people[0]
    assert read.xy.dtype == np.dtype("<f4") and (read.xy == 1).all() and (read.score == 1).all()


def test_what_was_read_cannot_be_changed():
    read = decode(Pose3D, encode("pose3d", "cam0", pose()))
    with pytest.raises(ValueError, match="read-only"):
        read.people[0].xyz[0] = 0


def test_a_long_or_broken_text_is_cut_not_lost():
    health = Health("lift", "DOWN", "x" * 5000 + "\udcff")
    assert decode(Health, encode("health", "cam0", health)).reason == "x" * 1000
    assert decode(Health, encode("health", "cam0", replace(health, reason="\udcff"))).reason == "\\udcff"


def test_a_new_key_is_no_error():
    assert decode(Health, wire({**plain_of(Health("lift", "READY")), "humidity": 3})).stage == "lift"


def changed(message, key, value) -> bytes:
    """The message with one value replaced; `people.xyz` is one of the first person's."""
    plain = plain_of(message)
    *path, last = key.split(".")
    target = plain["people"][0] if path else plain
    target.pop(last) if value is KeyError else target.__setitem__(last, value)
    return wire(plain)


NAN = np.full(J3, np.nan, "<f4").tobytes()
BAD = {
    "empty": (b"", "topic"),
    "no zero byte": (b"pose3d/cam0", "topic"),
    "no source": (b"pose3d\0\x80", "topic"),
    "no body": (b"pose3d/cam0\0", "msgpack"),
    "not a map": (b"pose3d/cam0\0\x93\1\2\3", "version"),
    "truncated": (encode("pose3d", "cam0", pose())[:-1], "msgpack"),
    "trailing": (encode("pose3d", "cam0", pose()) + b"\0", "msgpack"),
    "too large": (b"pose3d/cam0\0" + bytes(100_000), "size"),
    "100k nested": (b"pose3d/cam0\0" + b"\x91" * 100_000, "size"),
    "60k nested": (b"pose3d/cam0\0" + b"\x91" * 60_000, "msgpack"),
    "claims 4e9 items": (b"pose3d/cam0\0\xdd\xff\xff\xff\xff", "msgpack"),
    "claims 4e9 keys": (b"pose3d/cam0\0\xdf\xff\xff\xff\xff", "msgpack"),
    "claims 4 GB": (b"pose3d/cam0\0\xc6\xff\xff\xff\xff", "msgpack"),
    "ext type": (b"pose3d/cam0\0\xd4\x01\x00", "msgpack"),
    "timestamp": (wire({**plain_of(pose()), "seq": msgpack.Timestamp(1)}), "msgpack"),
    "keys of bytes": (wire({b"v": 1}), "version"),
    "twin keys": (b"pose3d/cam0\0\x82\xa1v\1\xa1v\1", "duplicate"),
    "other version": (changed(pose(), "v", 2), "version"),
    "no version": (changed(pose(), "v", KeyError), "version"),
    "missing key": (changed(pose(), "seq", KeyError), "missing"),
    "missing array": (changed(pose(), "people.xyz", KeyError), "missing"),
    "text for a number": (changed(pose(), "seq", "7"), "type"),
    "true for a number": (changed(pose(), "seq", True), "type"),
    "number for a truth": (changed(pose(), "people.metric", 1), "type"),
    "number for a text": (changed(pose(), "source", 7), "type"),
    "a nan": (changed(pose(), "look_ahead_ms", float("nan")), "finite"),
    "an infinity": (changed(pose(), "look_ahead_ms", float("-inf")), "finite"),
    "nan in an array": (changed(pose(), "people.sigma", NAN), "finite"),
    "text for an array": (changed(pose(), "people.xyz", "x" * 204), "type"),
    "half a number": (changed(pose(), "people.xyz", bytes(203)), "type"),
    "other J": (changed(pose(), "people.sigma", bytes(4 * (J3 - 1))), "shape"),
    "no whole joint": (changed(pose(), "people.xyz", bytes(4 * (3 * J3 - 1))), "shape"),
    "root of four": (changed(pose(), "people.root_cam", bytes(16)), "shape"),
    "unknown state": (changed(pose(), "people.state", bytes([4] * J3)), "value"),
    "unknown status": (changed(pose(), "status", "FINE"), "value"),
    "status of a list": (changed(pose(), "status", ["OK"]), "value"),
    "people in a map": (changed(pose(), "people", {}), "type"),
    "up of two": (changed(pose(), "up", [0.0, 1.0]), "type"),
    "counts of texts": (changed(pose(), "stage_us", {"lift": "9"}), "type"),
    "600 people": (changed(pose(), "people", [0] * 600), "msgpack"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_refused_by_its_kind(name):
    data, kind = BAD[name]
    with pytest.raises(MessageError) as refused:
        decode(Pose3D, data)
    assert refused.value.kind == kind


def test_people_must_agree_on_the_number_of_joints():
    person = person2d()
    fewer = Person2D(2, person.xy[:-1], person.score[:-1], person.presence[:-1])
    with pytest.raises(MessageError, match="people"):
        encode("keypoints2d", "cam0", replace(keypoints(), people=(person, fewer)))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(EVERY), st.binary(max_size=300))
def test_random_bytes_are_refused_and_nothing_else_happens(message, noise):
    with pytest.raises(MessageError):
        decode(type(message), b"pose3d/cam0\0" + noise)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(EVERY), st.data())
def test_a_damaged_message_is_refused_or_finite(message, data):
    wire = bytearray(encode("pose3d", "cam0", message))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = decode(type(message), bytes(wire))
    except MessageError:
        return
    encode("pose3d", "cam0", read)  # would refuse what is not finite or has no shape


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_sent(value):
    person = person2d()
    person.xy[3, 1] = value
    with pytest.raises(MessageError) as refused:
        encode("keypoints2d", "cam0", replace(keypoints(), people=(person,)))
    assert refused.value.kind == "finite" and "people: xy" in str(refused.value)


def test_a_wrong_shape_is_not_sent():
    with pytest.raises(MessageError, match="xy: shape"):
        encode("keypoints2d", "cam0", replace(keypoints(), people=(replace(person2d(), xy=np.zeros((J2, 3))),)))


def test_a_key_that_was_added_within_the_version_may_be_lacking_and_no_other():
    plain = codec.loads(split(encode("hello", "cam0", hello(sources=("cam0", "cam1"), model_choice="lite")))[2])
    older = {key: value for key, value in plain.items() if key not in ("sources", "model_choice", "medium")}
    assert codec.unpack(Hello, older) == hello()
    for key in older.keys() - {"v"}:
        with pytest.raises(MessageError, match=f"Hello lacks {key}"):
            codec.unpack(Hello, {k: v for k, v in older.items() if k != key})
