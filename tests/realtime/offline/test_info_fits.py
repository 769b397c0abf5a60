"""What the file stage says of detector and lifter has room on the status board, whichever shipped engine lifts."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from engines.skeleton import BLAZEPOSE_33
from realtime.config.schema import RunConfig
from realtime.lift.lifter import PREFERRED, open_lifter
from realtime.offline.chain import Chain
from realtime.supervise import status_board

ROOM = status_board.INFO_BYTES - 512  # paths of models and reasons of providers may be long


@pytest.mark.parametrize("engine", PREFERRED)
def test_info_of_each_shipped_lifter_fits_the_board(engine):
    config = replace(RunConfig(), lift=replace(RunConfig().lift, engine=engine, device="cpu"))
    detector = SimpleNamespace(name="mediapipe pose_landmarker_full-0.10.21", joints=BLAZEPOSE_33)
    info = Chain(detector, None, None, open_lifter(config)).info() | {"frames_total": 10**9}
    row = status_board.StageRow()
    status_board.write_info(row, info)
    assert len(bytes(row["info"])) < ROOM
    assert status_board.read_info(row)["joints2d"] == list(BLAZEPOSE_33.joints)
