"""Judge what `realtime run --calibration` makes of all cameras of a set: fused poses in the first camera's axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engines.engine import Engine
from realtime.config.schema import RunConfig
from realtime.fusion.fuser import FUSED, Fuser, Moment
from realtime.wire.messages import Pose3D
from trainers.evaluation.run_films import calibrated, lifted
from trainers.evaluation.views.judge_views import F64, Figures, FilmRuns, visible
from trainers.evaluation.views.view_measures import measure

FEWEST = 2  # cameras


def judge_fused(runs: list[FilmRuns], engine: Engine, config: RunConfig) -> dict[str, Figures]:
    """Return figures of one lifter, all cameras together, of the runs without an occluder."""
    return {"visible": visible(measure(fused(runs, engine, config), runs[0].truth, runs[0].joints), runs[0])}


def fused(runs: list[FilmRuns], engine: Engine, config: RunConfig) -> F64:
    """Return (T, J, 3) m, the first camera's axes; NaN where nobody was found."""
    poses: list[list[Pose3D]] = []
    for film in runs:
        with calibrated(config, film.view.camera) as known:
            found, joints = lifted(film.cases[0].observed, engine, known)
            poses.append(found)
    fuser = Fuser([film.view.camera for film in runs], joints)
    at = [joints.index(name) for name in runs[0].joints]
    xyz = np.full((len(poses[0]), len(at), 3), np.nan)
    for k, frame in enumerate(zip(*poses)):
        moment: Moment = dict(enumerate(frame))
        pose, _ = fuser.fuse(moment, replace(frame[0].stamp, source=FUSED))
        if pose.people:
            xyz[k] = pose.people[0].xyz[at]
    return xyz
