"""Pack a glTF file's binary part: arrays as views and accessors, and both chunks in one container."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

COMPONENT = {"float32": 5126, "uint16": 5123, "uint8": 5121}
ARRAY_BUFFER = 34962  # a view of vertex attributes
MAGIC, VERSION, JSON, BIN = b"glTF", 2, b"JSON", b"BIN\0"


class Buffer:
    """Collects arrays; `add` answers the accessor's number."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []

    def add(self, values: NDArray[Any], kind: str, target: bool = False, bounds: bool = False) -> int:
        raw = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        view: dict[str, Any] = {"buffer": 0, "byteOffset": self._size, "byteLength": len(raw)}
        accessor: dict[str, Any] = {
            "bufferView": len(self._views), "componentType": COMPONENT[values.dtype.name],
            "count": len(values), "type": kind,
        }  # fmt: skip
        if target:
            view["target"] = ARRAY_BUFFER
        if bounds:
            flat = values.reshape(len(values), -1)
            accessor |= {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()}
        self._views.append(view)
        self._accessors.append(accessor)
        self._parts.append(raw + bytes(-len(raw) % 4))
        self._size += len(self._parts[-1])
        return len(self._accessors) - 1

    def described(self) -> dict[str, Any]:
        return {"buffers": [{"byteLength": self._size}], "bufferViews": self._views, "accessors": self._accessors}

    def data(self) -> bytes:
        return b"".join(self._parts)


def container(document: dict[str, Any], data: bytes) -> bytes:
    """Return the whole GLB file."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    chunks = b"".join(struct.pack("<I4s", len(part), kind) + part for kind, part in ((JSON, text), (BIN, data)))
    return struct.pack("<4sII", MAGIC, VERSION, 12 + len(chunks)) + chunks
