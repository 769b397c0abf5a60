"""Group G: what a file, a flag or a folder can do wrong, and that none of it runs code, listens or writes unasked."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from realtime.cli import main as cli
from realtime.config import loader
from tests.support.paths import ROOT

BAD_FILES = {  # what is wrong -> file, what the one line must name
    "unknown key": ("source:\n  fsp: 30\n", [":2: source.fsp: unknown key", "30", "nearest is source.fps"]),
    "unknown section": ("sorce:\n  fps: 30\n", [":1: sorce: unknown key", "nearest is source"]),
    "key of another section": ("fps: 30\n", ["nearest is source.fps"]),
    "text for a number": ("source: {fps: fast}\n", ["source.fps: expected a number (Hz), found 'fast'"]),
    "number for text": ("publish: {bind: 5555}\n", ["publish.bind: expected text, found 5555", '"5555"']),
    "number for a switch": ("view: {open: 1}\n", ["view.open: expected true or false, found 1"]),
    "fraction for a whole": ("detector: {people: 1.5}\n", ["detector.people: expected a whole number", "1.5"]),
    "value for a section": ("source: 30\n", ["source: expected a section of keys, found 30"]),
    "list for a number": ("source: {fps: [30]}\n", ["source.fps: expected a number (Hz), found [30]"]),
    "unit in the value": ("source: {fps: 30fps}\n", ["found '30fps'", "write the number alone"]),
    "centimetres": (
        "camera: {height_m: 178}\n",
        ["camera.height_m: expected 0.4 to 2.6 m", "found 178", "1.78 would fit"],
    ),
    "unit in the key": ("publish: {max_age_s: 1}\n", ["publish.max_age_s", "nearest is publish.max_age_ms"]),
    "out of bounds": ("detector: {people: 900}\n", ["detector.people: expected 1 to 16 people, found 900"]),
    "not finite": ("camera: {tilt_deg: 1e999}\n", ["camera.tilt_deg", "finite"]),
    "no such choice": ("lift: {device: gpu}\n", ["lift.device: expected one of auto, cpu, cuda", "found 'gpu'"]),
    "given twice": ("source:\n  fps: 30\n  fps: 60\n", [":3: source.fps: given twice, first on line 2"]),
    "not YAML": ("source: {fps: 30\n", ["settings.yaml:"]),
    "a list": ("- 1\n- 2\n", ["holds no sections"]),
}


@pytest.fixture
def refused(tmp_path, capfd):
    """Runs `realtime run` on a file of settings that it must refuse; answers what it said."""

    def run(content):
        path = tmp_path / "settings.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        started = time.monotonic()
        assert cli.main(["run", "--config", str(path)]) == 2
        assert time.monotonic() - started < 1.0
        said = capfd.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"realtime: {path}")
        assert said.err.count("\n") == 1
        return said.err

    return run


@pytest.mark.parametrize("wrong", BAD_FILES)
def test_g1_bad_settings_name_file_key_value_and_nearest_key(wrong, refused):
    content, named = BAD_FILES[wrong]
    said = refused(content)
    for words in named:
        assert words in said


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--fps", "-3"], "--fps: expected 1 to 480 Hz, found -3"),
        (["--height", "178"], "1.78 would fit"),
        (["--rotate", "45"], "--rotate: expected one of 0, 90, 180, 270, found 45"),
        (["--device", "gpu"], "--device: expected one of auto"),
        (["--size", "4x4"], "--size: expected 16 to 7680 px, found 4"),
    ],
)
def test_g1_bad_flags_are_named(flags, named, capfd):
    assert cli.main(["run", "--demo", *flags]) == 2
    assert named in capfd.readouterr().err


def test_g2_a_tag_runs_nothing(tmp_path, refused):
    touched = tmp_path / "touched"
    for tag in (
        "!!python/object/apply:os.system",
        "!!python/object/new:os.system",
        "!<tag:yaml.org,2002:python/name:os>",
    ):
        said = refused(f'source: {tag} ["touch {touched}"]\n')
        assert "is not allowed" in said
    assert not touched.exists()


def test_g2_ten_megabytes_are_refused_unread(refused):
    assert "larger than 64 kB" in refused(b"source:\n" + b"# filler\n" * (10 * 1024 * 1024 // 9))


def test_g2_an_alias_bomb_does_not_go_off(refused):
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefghi", "abcdefgh"):
        bomb += f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    assert "alias *a is not allowed" in refused(bomb)


@pytest.mark.parametrize("flood", ["[" * 60_000, "{a: " * 15_000, "- " * 30_000, "a: " + "9" * 60_000, "? " * 30_000])
def test_g2_deep_or_huge_values_are_refused_quickly(flood, refused):
    refused(flood)


@pytest.mark.parametrize(
    "bind", ["tcp://0.0.0.0:5555", "tcp://*:5555", "tcp://[::]:5555", "tcp://192.168.1.4:5555", "tcp://host:5555"]
)
def test_g3_a_bind_beyond_this_machine_is_refused(bind, refused, capfd):
    assert "open to other machines" in refused(f"publish:\n  bind: '{bind}'\n")
    assert cli.main(["run", "--demo", "--bind", bind]) == 2
    assert "--bind" in capfd.readouterr().err


def test_g3_insecure_allows_it_and_is_loud(capfd):
    config = loader.load(
        None, {"publish.bind": ("--bind", "tcp://0.0.0.0:5555"), "publish.insecure": ("--insecure", True)}
    )
    assert config.publish.bind == "tcp://0.0.0.0:5555"
    code = cli.main(["run", "--source", "/nonexistent.mp4", "--bind", "tcp://0.0.0.0:5555", "--insecure", "--quiet"])
    assert code == 2
    said = capfd.readouterr().err
    assert "WARNING" in said
    assert "tcp://0.0.0.0:5555" in said


def test_g6_a_runtime_directory_open_to_others_is_refused(runtime_dir, capfd):
    runtime_dir.chmod(0o755)
    assert cli.main(["run", "--demo", "--quiet"]) == 2
    assert f"chmod 700 {runtime_dir}" in capfd.readouterr().err
    assert list(runtime_dir.iterdir()) == []


FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "torch", "trainers"}
FORBIDDEN_CALLS = {"recv_pyobj", "send_pyobj", "eval", "exec", "unsafe_load", "full_load"}


def python_files():
    return [path for room in ("realtime", "engines") for path in sorted((ROOT / room).rglob("*.py"))]


def forbidden(source):
    """What must not be there: (line, what)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((node.lineno, name) for name in names if name.split(".")[0] in FORBIDDEN_IMPORTS)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if (
                name.split(".")[-1] in FORBIDDEN_CALLS and not name.startswith(("re.", "self."))
            ) or name == "yaml.load":
                yield node.lineno, name
            if any(k.arg == "allow_pickle" and getattr(k.value, "value", True) for k in node.keywords):
                yield node.lineno, "allow_pickle"
            if any(k.arg == "shell" and getattr(k.value, "value", True) for k in node.keywords):
                yield node.lineno, "shell"
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.search(r"tcp://(\*|0\.0\.0\.0)", node.value)
        ):
            yield node.lineno, node.value


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_g7_no_code_from_data_and_no_open_address(path):
    assert list(forbidden(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import torch.nn", "yaml.load(f)", "s.recv_pyobj()", "eval('1')",
        "np.load(f, allow_pickle=True)", "bind('tcp://*:1')", "run(c, shell=True)", "def f():\n    import trainers.x",
    ],
)  # fmt: skip
def test_g7_the_search_itself_finds_each(source):
    assert list(forbidden(source))


def test_g7_torch_is_not_even_loaded():
    code = "import sys, realtime, realtime.config.loader, engines; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def run_for_a_second(folder, runtime, **environment):
    """The real supervisor, its stages and a rendered man; answers the last report."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {"source.spec": "demo", "source.width": 96, "source.height": 64, "terminal.seconds": 1.0}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fakes.run", json.dumps(given | {"publish.bind": f"tcp://127.0.0.1:{port}"})],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "STEADYPOSE_RUNTIME_DIR": str(runtime)} | environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_g9_spaces_and_unicode_in_every_path_work(runtime_dir, layout):
    folder = runtime_dir / "Büro 2 的"
    folder.mkdir(mode=0o700)
    found = run_for_a_second(folder, folder / "r ü", TMPDIR=str(folder), HOME=str(folder))
    assert found["answered"] > 10


def test_g9_settings_and_films_may_have_them_too(runtime_dir, capfd):
    folder = runtime_dir / "drei  Räume 室"
    folder.mkdir(mode=0o700)
    path = folder / "meine Einstellungen.yaml"
    path.write_text(f"source:\n  spec: '{folder}/kein Film ☂.mp4'\n", encoding="utf-8")
    assert cli.main(["run", "--config", str(path)]) == 2
    assert "kein Film ☂.mp4" in capfd.readouterr().err


def test_g10_a_run_leaves_no_picture_and_no_pose_on_disk(runtime_dir):
    places = {name: str(runtime_dir / name) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "work")}
    for place in places.values():
        Path(place).mkdir(mode=0o700)
    runtime = runtime_dir / "r"
    found = run_for_a_second(places["work"], runtime, **places)
    assert found["answered"] > 10
    left = sorted(path for path in runtime_dir.rglob("*") if path.is_file())
    assert [path.name for path in left if runtime not in path.parents] == []
    assert all(path.stat().st_size < 200 for path in left), left
