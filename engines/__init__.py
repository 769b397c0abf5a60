"""Describe, verify, build and run compiled networks; never torch."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before ONNX Runtime is imported: nothing calls home

from engines.contract import Contract
from engines.engine import Engine
from engines.errors import EngineError
from engines.manifest import write_manifest
from engines.store import open_engine, verify

__all__ = ["Contract", "Engine", "EngineError", "open_engine", "verify", "write_manifest"]
