from __future__ import annotations

import subprocess
import sys

import pytest

from realtime.detect.deferred_import import deferred


@pytest.fixture
def package(tmp_path, monkeypatch):
    """`heavy.part`, which nobody has imported, and `user`, which imports it and hardly uses it."""
    (tmp_path / "heavy_fake").mkdir()
    (tmp_path / "heavy_fake/__init__.py").write_text("")
    (tmp_path / "heavy_fake/part.py").write_text("value = 7\n")
    (tmp_path / "user_fake.py").write_text("import heavy_fake.part as part\n\n\ndef value():\n    return part.value\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("heavy_fake.part", "heavy_fake", "user_fake"):
        sys.modules.pop(name, None)


def test_a_deferred_module_is_loaded_when_it_is_used_and_not_before(package):
    with deferred("heavy_fake", "heavy_fake.part"):
        import user_fake  # type: ignore[import-not-found]
    assert "heavy_fake" not in sys.modules
    assert user_fake.value() == 7
    assert "heavy_fake.part" in sys.modules


def test_a_module_that_is_there_stays_what_it_is(package):
    import heavy_fake.part  # type: ignore[import-not-found]

    with deferred("heavy_fake", "heavy_fake.part"):
        assert sys.modules["heavy_fake.part"] is heavy_fake.part
    assert sys.modules["heavy_fake.part"] is heavy_fake.part


@pytest.mark.mediapipe
def test_the_detector_starts_without_drawing_and_sound():
    program = (
        "import sys; from realtime.detect.mediapipe_detector import mediapipe_tasks; mediapipe_tasks();"
        "assert 'mediapipe' in sys.modules; print([m for m in ('matplotlib', 'sounddevice') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
