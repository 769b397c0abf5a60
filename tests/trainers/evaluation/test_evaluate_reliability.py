"""`trainers evaluate reliability --occluders`: figures a source, leaving one out, and what cannot be judged."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.support.people.made_up_clips import WRIST, made_up
from trainers import cli
from trainers.checkpoint import FILE
from trainers.data.shards.clip_shards import write_shard
from trainers.data.shards.detections import tracks
from trainers.data.shards.detector_model import SETTINGS, detector_of, one_detector
from trainers.errors import UserError
from trainers.evaluation.occluders import occluder_films
from trainers.evaluation.occluders.occluder_films import judged, source_of
from trainers.recipes.reliability import BODY
from trainers.synthesis.paste_occluders import BoardsSettings

FILMS = ("anna_01", "anna_02", "ben_1")
TINY = (
    "recipe: reliability\nwidth: 16\nmemory: 8\nbatch: 12\nticks: 50\nrate: 0.01\n"
    "loop:\n  steps: 60\n  validate_every: 60\n"
)


@pytest.fixture
def films(tmp_path, monkeypatch):
    """A folder of films whose shards lie there already; pasting anew is an error."""
    folder = tmp_path / "films"
    folder.mkdir()
    for name in FILMS:
        (folder / f"{name}.mp4").write_bytes(b"")
    shards = tmp_path / "out/shards"
    shards.mkdir(parents=True)
    paths = tuple(str(folder / f"{name}.mp4") for name in FILMS)
    (shards / SETTINGS).write_text(json.dumps(asdict(BoardsSettings(paths, 2, 1))))
    (shards / "stretches.json").write_text(json.dumps([{}] * len(FILMS)))
    for number, name in enumerate(FILMS):
        clips = [made_up(f"{name}@{k}", "footage", 10 * number + k, "boards", name) for k in range(2)]
        write_shard(shards, number, clips)
    monkeypatch.setattr(occluder_films, "synthesize_boards", lambda *a, **k: pytest.fail("pasted again"))
    return folder


def evaluated(films, *more: str) -> dict:
    out = films.parent / "out"
    assert cli.main(["evaluate", "reliability", "--occluders", str(films), "--out", str(out), *more]) == 0
    return json.loads((out / "occluders.json").read_text())


def test_shards_from_before_a_setting_was_there_are_taken_and_other_ones_are_not(films):
    note = films.parent / "out/shards" / SETTINGS
    made = json.loads(note.read_text())
    kept = {name: value for name, value in made.items() if name not in ("cut", "every")}
    assert kept != made
    note.write_text(json.dumps(kept))
    assert "together" in evaluated(films)["reliability"]
    note.write_text(json.dumps(made | {"cut": 0.5}))
    with pytest.raises(pytest.fail.Exception, match="pasted again"):
        evaluated(films)


def test_every_source_has_its_figures_and_all_together(films, capsys):
    rows = evaluated(films)["reliability"]
    assert list(rows) == ["anna", "ben", "together"]
    joints = [rows[name]["joints"] for name in rows]
    assert joints[0] == 2 * joints[1] and joints[2] == sum(joints[:2]) == 6 * 60 * len(BODY)
    assert rows["together"]["occluded"] == pytest.approx(20 / 60 / len(BODY))
    assert rows["ben"]["area of visibility"] > 0.99  # made so
    assert "area, visibility alone" in capsys.readouterr().out
    assert list(evaluated(films, "--by", "film")["reliability"]) == [*FILMS, "together"]


def test_figures_are_those_of_the_judge(films):
    (clip,) = [made_up("a", "footage", 1, "boards", "a")]
    found = {"a": list(tracks(clip))}

    def judge(track):
        """Doubts the wrist in half of its hidden frames, and in as many others."""
        told = np.ones((len(track.cues), 33), np.float32)
        told[10:30, WRIST] = 0.2
        return told

    row = judged(found, lambda _: judge)["a"]
    assert row["precision"] == row["recall"] == 0.5 and row["joints"] == 60 * len(BODY)
    others = 60 * len(BODY) - 20
    assert row["area"] == pytest.approx((0.5 * (others - 5) + 0.25 * (others - 10)) / others)


@pytest.mark.slow
def test_leaving_out_trains_on_the_others_and_judges_on_whom_it_never_saw(films, capsys):
    config = films.parent / "tiny.yaml"
    config.write_text(TINY)
    rendered = films.parent / "rendered"
    rendered.mkdir()
    write_shard(rendered, 0, [made_up(f"r{i}", "train", 50 + i) for i in range(3)])
    write_shard(rendered, 1, [made_up("anna_02@cut", "footage", 60, "boards", "anna_02")])  # of a source that is judged
    rows = evaluated(films, "--leave-out", "--config", str(config), "--data", str(rendered))["leaving out"]
    assert list(rows) == ["anna", "ben", "together"] and rows["together"]["area"] > 0.9
    said = capsys.readouterr().out
    assert "leaving out anna: training on 2 stretches of others, 3 of --data" in said
    assert "leaving out ben: training on 4 stretches of others, 4 of --data" in said
    one, other = ((films.parent / "out/left_out" / name / FILE).read_bytes() for name in ("anna", "ben"))
    assert one != other


@pytest.mark.parametrize(("stem", "group"), [
    ("office_001", "office"), ("office_020", "office"), ("room_walk_sit", "room_walk_sit"), ("cam-7", "cam"),
    ("12", "12"),
])  # fmt: skip
def test_films_that_differ_in_a_number_are_one_source(stem, group):
    assert source_of(stem, "group") == group and source_of(stem, "film") == stem


def test_other_settings_paste_anew(films, monkeypatch):
    asked = []
    monkeypatch.setattr(occluder_films, "synthesize_boards", lambda films, out, passes, *a, **k: asked.append(passes))
    evaluated(films, "--passes", "3")
    assert asked == [3]


def refused(capsys, *asked: str) -> str:
    assert cli.main(["evaluate", *asked]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


def test_what_cannot_be_judged_is_one_line(films, tmp_path, capsys):
    out = ("--out", str(tmp_path / "out"))
    assert "no such folder" in refused(capsys, "reliability", "--occluders", str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    assert "no film in it; expected *.mp4" in refused(capsys, "reliability", "--occluders", str(tmp_path / "empty"))
    assert "task lift, expected reliability" in refused(capsys, "hold", "--occluders", str(films), *out)
    both = ("--occluders", str(films), "--views", str(films))
    assert "expected one of --data DIR" in refused(capsys, "reliability", *both)


def test_one_source_cannot_be_left_out(films, capsys):
    shards = films.parent / "out/shards"
    write_shard(shards, 2, [])
    asked = ("reliability", "--occluders", str(films), "--out", str(films.parent / "out"), "--leave-out")
    assert "one source, anna; expected two or more, or say --by film" in refused(capsys, *asked)


def test_shards_of_two_detector_models_are_not_mixed(films, tmp_path, capsys):
    rendered = tmp_path / "rendered"
    rendered.mkdir()
    write_shard(rendered, 0, [made_up("r", "train", 50)])
    note = asdict(replace(BoardsSettings((), 1, 1), model="heavy"))
    (rendered / SETTINGS).write_text(json.dumps(note))
    asked = ("--occluders", str(films), "--out", str(films.parent / "out"), "--leave-out", "--data", str(rendered))
    told = refused(capsys, "reliability", *asked)
    assert "mixed detector models" in told and "rendered heavy" in told and "shards full" in told
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY)
    data = [word for folder in (rendered, films.parent / "out/shards") for word in ("--data", str(folder))]
    assert cli.main(["train", str(config), *data, "--out", str(tmp_path / "run")]) == 2
    assert "mixed detector models" in capsys.readouterr().err


def test_folders_that_do_not_say_their_detector_are_taken(tmp_path):
    one_detector([tmp_path, tmp_path])
    assert detector_of(tmp_path) is None
    (tmp_path / SETTINGS).write_text("no json")
    with pytest.raises(UserError, match="no settings of trainers synthesize"):
        detector_of(tmp_path)
