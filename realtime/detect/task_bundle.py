"""Seal two bare pose networks into one `.task` bundle that MediaPipe Tasks opens.

A network without normalisation metadata is refused by Tasks; the values here are those of the pose networks themselves.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np

ALIGN = 16  # weights are mapped from the bundle in place; off this border they would be copied
DETECTOR = ("pose_detector.tflite", 127.5, 127.5)  # name in the bundle, mean and std of its input picture
LANDMARKS = ("pose_landmarks_detector.tflite", 0.0, 255.0)


def seal(detector: bytes, landmarks: bytes) -> bytes:
    """The bundle; the same networks give the same bytes."""
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as archive:
        for network, (name, mean, std) in ((detector, DETECTOR), (landmarks, LANDMARKS)):
            entry = zipfile.ZipInfo(name)
            entry.extra = _padding(bundle.tell() + 30 + len(name))  # 30: a zip member's own header
            archive.writestr(entry, with_normalisation(network, mean, std))
    return bundle.getvalue()


def _padding(offset: int) -> bytes:
    """A zip extra field that moves what follows `offset` to the next border (4 bytes: its own header)."""
    fill = -(offset + 4) % ALIGN
    return b"\0\0" + fill.to_bytes(2, "little") + bytes(fill)


def with_normalisation(network: bytes, mean: float, std: float) -> bytes:
    """The same network with the metadata entry that tells how its input picture is scaled."""
    from mediapipe.tasks.metadata import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(network)
    entry = schema.MetadataT(name="TFLITE_METADATA", buffer=len(model.buffers))
    model.metadata = [*(model.metadata or []), entry]
    model.buffers.append(schema.BufferT(data=np.frombuffer(_metadata(mean, std), np.uint8)))
    return _pack(model, b"TFL3")


def _metadata(mean: float, std: float) -> bytes:
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

    unit = schema.ProcessUnitT(
        optionsType=schema.ProcessUnitOptions.NormalizationOptions,
        options=schema.NormalizationOptionsT(mean=[mean], std=[std]),
    )
    picture = schema.TensorMetadataT(name="image", processUnits=[unit])
    graph = schema.SubGraphMetadataT(inputTensorMetadata=[picture])
    return _pack(schema.ModelMetadataT(subgraphMetadata=[graph]), b"M001")


def _pack(table: Any, identifier: bytes) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(table.Pack(builder), identifier)
    return bytes(builder.Output())
