"""OpenSim reads what is exported, and Pose2Sim's ready setups scale a model and run inverse kinematics on it."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from realtime.export.angles import angles
from realtime.export.markers import opensim_markers
from realtime.export.tracks import clips
from realtime.export.writers import angle_files, trc
from tests.support.people import walker, whole_body

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # SWIG's own
    opensim = pytest.importorskip("opensim", reason="opensim is not installed: pip install opensim")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opensim.Logger.setLevelString("Off")


@pytest.fixture(params=[17, 37])
def clip(request):
    if request.param == 17:
        return clips(walker.HELLO, walker.walk(30))[0]
    return clips(whole_body.HELLO, whole_body.walk(30))[0]


def test_markers_have_their_names_units_and_places(clip):
    marked = opensim_markers(clip)
    trc.write(Path("a.trc"), marked)
    read = opensim.MarkerData("a.trc")
    names = [read.getMarkerNames().get(i) for i in range(read.getNumMarkers())]
    assert names == list(marked.joints) and {"Hip", "RKnee", "LWrist", "Neck"} <= set(names)
    assert read.getUnits().getLabel() == "meters" and read.getNumFrames() == 30
    at = read.getFrame(7).getMarker(names.index("LWrist"))
    assert np.allclose([at.get(i) for i in range(3)], clip.xyz[7, clip.joints.index("left_wrist")], atol=1e-5)


def test_angles_are_read_as_coordinates(clip):
    angle_files.write_mot(Path("a.mot"), clip)
    table = opensim.TimeSeriesTable("a.mot")
    assert table.getNumRows() == 30 and table.getTableMetaDataString("inDegrees") == "yes"
    read = table.getDependentColumn("knee_angle_r").to_numpy()
    assert np.allclose(read, angles(clip)["right_knee_flexion"], atol=1e-5)


# A program of its own: OpenSim's tools keep references to objects that Python would free.
INVERSE_KINEMATICS = """
import json, os, sys
import opensim

setups, here = sys.argv[1], os.getcwd()
opensim.Logger.setLevelString("Off")
opensim.ModelVisualizer.addDirToGeometrySearchPaths(setups + "/Geometry")
model = opensim.Model(setups + "/Model_Pose2Sim_simple.osim")
markers = opensim.MarkerSet(setups + "/Markers_Halpe26.xml")
model.set_MarkerSet(markers)
model.initSystem()
model.printToXML("marked.osim")
read = opensim.MarkerData("a.trc")
span = opensim.ArrayDouble()
span.append(read.getStartFrameTime())
span.append(read.getLastFrameTime())
scale = opensim.ScaleTool(setups + "/Scaling_Setup_Pose2Sim_Halpe26.xml")
scale.setPathToSubject("")
scale.setSubjectMass(70)
maker, scaler = scale.getGenericModelMaker(), scale.getModelScaler()
maker.setModelFileName("marked.osim")
maker.setMarkerSetFileName(setups + "/Markers_Halpe26.xml")
scaler.setMarkerFileName("a.trc")
scaler.setOutputModelFileName("a.osim")
scaler.setTimeRange(span)
scale.getMarkerPlacer().setApply(False)
scale.printToXML("scale.xml")
again = opensim.ScaleTool("scale.xml")
again.run()
person = opensim.Model("a.osim")
tool = opensim.InverseKinematicsTool(setups + "/IK_Setup_Pose2Sim_Halpe26.xml", False)
tool.setModel(person)
tool.setMarkerDataFileName(here + "/a.trc")
tool.setStartTime(read.getStartFrameTime())
tool.setEndTime(read.getLastFrameTime())
tool.setResultsDir(here)
tool.setOutputMotionFileName(here + "/ik.mot")
done = tool.run()
table = opensim.TimeSeriesTable(here + "/ik.mot")
errors = opensim.TimeSeriesTable(here + "/_ik_marker_errors.sto")
column = lambda table, name: table.getDependentColumn(name).to_numpy().tolist()
print(json.dumps({
    "done": done, "rms_m": column(errors, "marker_error_RMS"),
    "right": column(table, "knee_angle_r"), "left": column(table, "knee_angle_l"),
}))
"""


@pytest.mark.slow
def test_pose2sims_ready_setup_runs_inverse_kinematics(clip):
    setups = Path(pytest.importorskip("Pose2Sim", reason="Pose2Sim is not installed").__file__).parent / "OpenSim_Setup"
    trc.write(Path("a.trc"), opensim_markers(clip))
    command = [sys.executable, "-c", INVERSE_KINEMATICS, str(setups)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(said.strip().splitlines()[-1])
    assert found["done"] and len(found["rms_m"]) == 30 and np.mean(found["rms_m"]) < 0.06
    for side in ("right", "left"):
        assert np.corrcoef(found[side], angles(clip)[f"{side}_knee_flexion"])[0, 1] > 0.8
