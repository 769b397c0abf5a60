"""Seal two bare pose networks into one `.task` bundle that MediaPipe Tasks opens.

A network without normalisation metadata is refused by Tasks; the values here are those of the pose networks themselves.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np

from realtime.detect.pose_models import DETECTOR_FILE, LANDMARKS_FILE

ALIGN = 16  # weights are mapped from the bundle in place; off this border they would be copied
DETECTOR = (DETECTOR_FILE, 127.5, 127.5)  # name in the bundle, mean and std of its input picture
LANDMARKS = (LANDMARKS_FILE, 0.0, 255.0)


def seal(detector: bytes, landmarks: bytes) -> bytes:
    """Build the bundle of two bare networks; the same networks give the same bytes."""
    return bundle(sealed_detector(detector), sealed_landmarks(landmarks))


def sealed_detector(network: bytes) -> bytes:
    """Add the metadata of the person detector's input scaling."""
    return with_normalisation(network, *DETECTOR[1:])


def sealed_landmarks(network: bytes) -> bytes:
    """Add the metadata of the landmark network's input scaling."""
    return with_normalisation(network, *LANDMARKS[1:])


def bundle(detector: bytes, landmarks: bytes) -> bytes:
    """Pack two networks with their metadata into one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for network, name in ((detector, DETECTOR[0]), (landmarks, LANDMARKS[0])):
            entry = zipfile.ZipInfo(name)
            entry.extra = _padding(file.tell() + 30 + len(name))  # 30: a zip member's own header
            archive.writestr(entry, network)
    return file.getvalue()


def _padding(offset: int) -> bytes:
    """Build a zip extra field that aligns what follows `offset` (4 bytes: its own header)."""
    fill = -(offset + 4) % ALIGN
    return b"\0\0" + fill.to_bytes(2, "little") + bytes(fill)


def with_normalisation(network: bytes, mean: float, std: float) -> bytes:
    """Add the metadata entry for the scaling of the input picture to a network."""
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
