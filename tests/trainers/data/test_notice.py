"""A licence notice goes from a data folder to derived data, checkpoint and model card."""

from __future__ import annotations

import argparse
import io

import pytest

pytest.importorskip("torch")

from trainers.data import prepare
from trainers.data.notice import NOTICE, keep_notice, notice_of
from trainers.synthesis.bursts import BurstSettings
from trainers.synthesis.paste_occluders import BoardsSettings
from trainers.synthesis.render_clips import RenderedSettings
from trainers.synthesis.shard_pool import run


def folder(at, name, text=None):
    made = at / name
    made.mkdir()
    if text is not None:
        (made / NOTICE).write_text(text)
    return made


def test_each_folder_s_notice_stands_once(tmp_path):
    one, same, other = (folder(tmp_path, n, t) for n, t in (("a", "Ours,\n  free."), ("b", "Ours, free."), ("c", "X.")))
    assert notice_of([str(one), same, other]) == "Ours, free. X."


def test_data_without_a_notice_says_so(tmp_path):
    assert (
        notice_of([folder(tmp_path, "bare")]) == "bare: no NOTICE.txt in it, so the terms of this data are not known."
    )
    assert notice_of([]) == "no data"


def test_what_is_made_of_data_keeps_its_notice(tmp_path):
    licensed, bare, out = folder(tmp_path, "a", "Ours."), folder(tmp_path, "bare"), folder(tmp_path, "out")
    keep_notice([bare], out)
    assert not (out / NOTICE).exists()
    keep_notice([licensed / "film.mp4", bare], out)
    assert notice_of([out]).startswith("Ours. bare: no NOTICE.txt")
    keep_notice([bare], out)
    assert notice_of([out]).startswith("Ours.")  # never written over


def test_prepare_keeps_it(tmp_path, monkeypatch):
    raw, motion = folder(tmp_path, "raw", "From a lab."), tmp_path / "motion"
    monkeypatch.setattr(prepare, "prepare_cmu", lambda *_: [])
    monkeypatch.setattr(prepare, "report", lambda *_: None)
    prepare.main(argparse.Namespace(set="cmu", root=raw, out=motion, jobs=1))
    assert notice_of([motion]) == "From a lab."


def test_shards_of_a_run_that_was_cut_short_have_it(tmp_path):
    def cut_short(*_):
        raise KeyboardInterrupt

    motion, out = folder(tmp_path, "motion", "From a lab."), tmp_path / "shards"
    for settings in (
        BurstSettings(str(motion), 0),
        RenderedSettings(str(motion), 0),
        BoardsSettings((str(motion),), 1, 0),
    ):
        with pytest.raises(KeyboardInterrupt):
            run(settings, cut_short, out / settings.kind, 1, 1, False, io.StringIO())
        assert notice_of([out / settings.kind]) == "From a lab."
