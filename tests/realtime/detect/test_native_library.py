"""A command of ours sends nothing beyond the machine, still talks to the machine itself; a library leaves things be."""

from __future__ import annotations

import os
import urllib.request

import pytest

from realtime.detect.native_library import COMMAND, mark_command, send_nothing

NAMES = ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")


@pytest.fixture
def plain(monkeypatch):
    """An environment without proxies in which no command runs."""
    for name in (COMMAND, *NAMES):
        monkeypatch.delenv(name, raising=False)


def test_a_command_goes_by_a_proxy_to_all_but_this_machine(plain, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")  # the user's exception of everything would let usage out
    mark_command()
    send_nothing()
    assert urllib.request.getproxies()["https"].endswith(":9")
    assert not urllib.request.proxy_bypass("play.googleapis.com")
    assert all(urllib.request.proxy_bypass(host) for host in ("localhost", "127.0.0.1"))


def test_a_program_that_uses_the_library_keeps_its_environment(plain):
    before = {name: os.environ.get(name) for name in NAMES}
    send_nothing()
    assert {name: os.environ.get(name) for name in NAMES} == before
