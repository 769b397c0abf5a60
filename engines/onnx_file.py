"""Read an ONNX file's own description without the onnx package: opsets, operators, external data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engines.errors import EngineError

# message -> field number -> (what it holds); everything else is skipped unread
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "opset": {},
    "entry": {},
}
_MAX_DEPTH = 32


@dataclass(frozen=True)
class OnnxFile:
    opset: int  # of the standard operators
    domains: tuple[str, ...]  # other operator sets it uses
    external: tuple[str, ...]  # files its weights lie in, as written in the model


def scan(data: bytes, name: str) -> OnnxFile:
    """Read the file's own description; raises EngineError where it is no ONNX model."""
    try:
        found = list(_walk(memoryview(data), "model", 0))
    except (ValueError, IndexError, UnicodeDecodeError):
        found = []
    kinds = [kind for kind, _ in found]
    if "graph" not in kinds or "opset" not in kinds:
        raise EngineError(f"{name}: {_what_it_is(data)}, not an ONNX model; export one with `trainers export`")
    opsets = dict(_opset(body) for kind, body in found if kind == "opset")
    entries = [_entry(body) for kind, body in found if kind == "entry"]
    return OnnxFile(
        opset=opsets.get("", 0),
        domains=tuple(sorted(d for d in opsets if d not in ("", "ai.onnx"))),
        external=tuple(dict.fromkeys(value for key, value in entries if key == "location")),
    )


def _what_it_is(data: bytes) -> str:
    if not data:
        return "empty"
    if data[:4] == b"PK\x03\x04" or data[:1] == b"\x80":
        return "a pickled or zipped checkpoint (never opened here: it could run code)"
    if data[:32].lstrip()[:1] == b"<":
        return "a web page"
    return "damaged or unknown bytes"


def _walk(data: memoryview, kind: str, depth: int) -> Iterator[tuple[str, memoryview]]:
    """Yield every interesting message below one, with its kind."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    children = _CHILDREN[kind]
    for number, body in _fields(data):
        if number in children and isinstance(body, memoryview):
            yield children[number], body
            yield from _walk(body, children[number], depth + 1)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}[wire] if wire in (1, 5) else -1, at)
        if number == 0 or size < 0 or at + size > len(data):
            raise ValueError("not protobuf")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        value, at, shift = value | (byte & 0x7F) << shift, at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("not protobuf")


def _opset(body: memoryview) -> tuple[str, int]:
    fields = dict(_fields(body))
    domain, version = fields.get(1, b""), fields.get(2, 0)
    return bytes(domain).decode() if isinstance(domain, memoryview) else "", version if isinstance(version, int) else 0


def _entry(body: memoryview) -> tuple[str, str]:
    fields = dict(_fields(body))
    key, value = fields.get(1), fields.get(2)
    text = [bytes(v).decode() if isinstance(v, memoryview) else "" for v in (key, value)]
    return text[0], text[1]
