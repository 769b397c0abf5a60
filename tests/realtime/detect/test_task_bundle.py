"""A bundle holds both networks unchanged, told how their pictures are scaled."""

import io
import zipfile

import flatbuffers
import numpy as np
import pytest
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata
from mediapipe.tasks.metadata import schema_py_generated as schema

from realtime.detect.task_bundle import ALIGN, seal, with_normalisation


def network(weights=b"weights of a network") -> bytes:
    """The least that is a TFLite network: one buffer."""
    model = schema.ModelT(version=3, buffers=[schema.BufferT(), schema.BufferT(data=np.frombuffer(weights, np.uint8))])
    builder = flatbuffers.Builder(64)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize(("mean", "std"), [(127.5, 127.5), (0.0, 255.0)])
def test_the_scale_of_pictures_can_be_read_back(mean, std):
    model = schema.ModelT.InitFromPackedBuf(with_normalisation(network(), mean, std))
    (entry,) = model.metadata
    assert entry.name == b"TFLITE_METADATA"
    told = metadata.ModelMetadataT.InitFromPackedBuf(bytes(model.buffers[entry.buffer].data))
    (unit,) = told.subgraphMetadata[0].inputTensorMetadata[0].processUnits
    assert (list(unit.options.mean), list(unit.options.std)) == ([mean], [std])


def test_weights_are_untouched():
    model = schema.ModelT.InitFromPackedBuf(with_normalisation(network(b"abc"), 0, 1))
    assert bytes(model.buffers[1].data) == b"abc" and model.version == 3


def test_the_same_networks_give_the_same_bytes_on_aligned_borders():
    bundle = seal(network(b"one"), network(b"two"))
    assert bundle == seal(network(b"one"), network(b"two"))
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        for entry, weights in zip(archive.infolist(), (b"one", b"two")):
            start = entry.header_offset + 30 + len(entry.filename) + len(entry.extra)
            assert start % ALIGN == 0
            assert bundle[start : start + entry.file_size] == archive.read(entry)
            assert bytes(schema.ModelT.InitFromPackedBuf(archive.read(entry)).buffers[1].data) == weights
        assert archive.namelist() == ["pose_detector.tflite", "pose_landmarks_detector.tflite"]
