"""Viewers side by side: a person's bones hang together, the table has every one, what is missing is named."""

from __future__ import annotations

import json
from contextlib import contextmanager

from engines.skeleton import H36M_17
from realtime.bench import viewer_peers


def test_every_joint_but_the_root_has_a_bone():
    assert [child for child, _ in viewer_peers.BONES] == [j for j, p in enumerate(H36M_17.parents) if p >= 0]


def test_what_is_not_installed_is_named_and_ours_is_measured(monkeypatch, capsys):
    @contextmanager
    def window():
        yield None

    monkeypatch.setattr(viewer_peers, "browser", window)
    monkeypatch.setattr(viewer_peers.importlib.util, "find_spec", lambda name: None)
    figures = iter([{"cpu": 0.02, "memory_mb": 30, "page_mb": 1}, {"cpu": 0.04, "memory_mb": 32, "page_mb": 1}])
    monkeypatch.setattr(viewer_peers, "measure", lambda serving, window, seconds: next(figures))
    assert viewer_peers.main(["--rounds", "2"]) == 0
    told = capsys.readouterr()
    assert "left out: viser, rerun; pip install" in told.err
    found = json.loads(told.out.splitlines()[-1])["rows"]
    assert list(found) == ["steadypose"] and found["steadypose"]["cpu"] == 0.03
    assert "3.0 %" in told.out
