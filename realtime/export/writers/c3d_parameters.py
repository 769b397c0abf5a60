"""Write C3D's parameter section: groups of named values as blocks of 512 bytes."""

from __future__ import annotations

import struct

import numpy as np

BLOCK = 512
INTEL = 84  # little-endian, IEEE floats
TEXT, WORD, FLOAT = -1, 2, 4  # codes of the types, also their lengths in bytes

Value = int | np.float32 | str | list[str] | list[int] | list[np.float32]
Parameters = dict[str, dict[str, Value]]


def parameter_section(groups: Parameters) -> bytes:
    """Build the parameter section: introduction, groups and parameters, zeros up to a full block."""
    entries = b""
    for number, (group, values) in enumerate(groups.items(), 1):
        entries += entry(-number, group, b"\0")
        entries += b"".join(entry(number, name, encoded(value) + b"\0") for name, value in values.items())
    size = 4 + len(entries) + 2
    blocks = -(-size // BLOCK)
    return struct.pack("<BBBB", 1, 0x50, blocks, INTEL) + entries + bytes(blocks * BLOCK - 4 - len(entries))


def entry(group: int, name: str, rest: bytes) -> bytes:
    """Return length and text of the name, group (negative: this is the group itself), distance to the next entry."""
    return struct.pack("<bb", len(name), group) + name.encode("ascii") + struct.pack("<H", 2 + len(rest)) + rest


def encoded(value: Value) -> bytes:
    """Type, dimensions and data of one parameter."""
    if isinstance(value, str):
        return typed(TEXT, [len(value)], value.encode("ascii"))
    if isinstance(value, list):
        return encoded_list(value)
    if isinstance(value, np.float32):
        return typed(FLOAT, [], struct.pack("<f", value))
    return typed(WORD, [], struct.pack("<H", value))


def encoded_list(values: list[str] | list[int] | list[np.float32]) -> bytes:
    if isinstance(values[0], str):
        width = max(len(str(value)) for value in values)
        text = "".join(str(value).ljust(width) for value in values)
        return typed(TEXT, [width, len(values)], text.encode("ascii"))
    if isinstance(values[0], np.float32):
        return typed(FLOAT, [len(values)], struct.pack(f"<{len(values)}f", *values))
    return typed(WORD, [len(values)], struct.pack(f"<{len(values)}H", *values))


def typed(kind: int, dimensions: list[int], data: bytes) -> bytes:
    return struct.pack(f"<bB{len(dimensions)}B", kind, len(dimensions), *dimensions) + data
