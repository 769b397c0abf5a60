"""Find the calibrated cameras of a run's sources: in a file, by name; of the demo, known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.calibration.calibration_files import read_cameras
from realtime.calibration.film_names import matching
from realtime.config.schema import CameraConfig, RoomConfig, RunConfig, SourceConfig
from realtime.config.source_spec import demo_turn, is_file_run, kind_of
from realtime.config.yaml_file import ConfigError

ROTATED = "a calibration holds for the picture as it comes"


def room_sources(config: RunConfig) -> list[SourceConfig]:
    """Return every camera of the room as a source of its own: cam0, cam1, ..."""
    return [replace(config.source, spec=spec, name=f"cam{k}") for k, spec in enumerate(config.room.sources)]


def check_room(config: RunConfig) -> None:
    """Refuse a room that cannot work before anything starts: ConfigError or CalibrationError, in a line."""
    sources, room = room_sources(config), config.room
    if len(sources) < 2:
        raise ConfigError("room.sources: expected two cameras or more: realtime run --camera 0 --camera 1")
    if twice := sorted({s.spec for s in sources if room.sources.count(s.spec) > 1}):
        raise ConfigError(f"{twice[0]} is given twice; give each camera once: realtime run --camera 0 --camera 1")
    if len({is_file_run(source) for source in sources}) > 1:
        raise ConfigError(f"{', '.join(room.sources)}: films and live cameras in one run; record the cameras first")
    if is_file_run(sources[0]) and kind_of(sources[0].spec) == "demo":
        raise ConfigError(
            "several cameras of the demo are live: leave --every-frame out; a lower --fps spares a machine"
        )
    if is_file_run(sources[0]) and room.calibration is None:
        raise ConfigError(
            f"{len(sources)} films and no calibration: they cannot be fused; say --calibration FILE, or one film at a "
            "time: realtime batch FILMS"
        )
    calibrated(config)


def calibrated(config: RunConfig) -> list[CalibratedCamera] | None:
    """Return the cameras in the order of the sources; None: live ones that are not calibrated."""
    room = config.room
    if room.calibration is None:
        return demo_cameras(config) if all(kind_of(spec) == "demo" for spec in room.sources) else None
    if config.source.rotate:
        raise ConfigError(f"--rotate with --calibration: {ROTATED}; leave --rotate out, or calibrate rotated pictures")
    cameras, _ = read_cameras(Path(room.calibration).expanduser(), room.unit)
    by_name = {camera.name: camera for camera in cameras}
    names = list(room.cameras) or _names(room, cameras)
    if len(names) != len(room.sources) or set(names) - set(by_name) or len(set(names)) < len(names):
        raise ConfigError(
            f"{len(room.sources)} cameras go with {', '.join(names)}; {room.calibration} has {', '.join(by_name)}: "
            "name each one's own, in the order they are given: --cameras A,B"
        )
    return [by_name[name] for name in names]


def _names(room: RoomConfig, cameras: list[CalibratedCamera]) -> list[str]:
    """Films are called as their cameras; live ones stand in the calibration's order where there are as many."""
    if kind_of(room.sources[0]) == "file":
        return [matching(Path(spec), cameras, Path(str(room.calibration))) for spec in room.sources]
    return [camera.name for camera in cameras]


def demo_cameras(config: RunConfig) -> list[CalibratedCamera]:
    """Return where the cameras of `demo@DEGREES` stand."""
    from realtime.demo.world import turned_camera

    found = []
    for k, spec in enumerate(config.room.sources):
        camera = turned_camera(
            (config.source.width, config.source.height), config.camera.fov_deg or 60.0, demo_turn(spec)
        )
        centre = -camera.rotation @ np.array(camera.eye)
        size = (camera.width, camera.height)
        found.append(CalibratedCamera(f"cam{k}", size, camera.matrix, np.zeros(5), camera.rotation, centre))
    return found


def camera_settings(config: CameraConfig, camera: CalibratedCamera, number: int, folder: Path) -> CameraConfig:
    """Return what one camera's lifter knows: its lens, in a file of this folder; the tilt is the lead's."""
    path = folder / f"cam{number}.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in camera.intrinsics().items()) + "\n")
    return replace(config, intrinsics=str(path), fov_deg=None, tilt_deg=config.tilt_deg if number == 0 else None)


def live_settings(config: RunConfig, folder: Path) -> list[RunConfig]:
    """Return each camera's run of a live room; lenses lie in this folder."""
    cameras = calibrated(config)
    found = []
    for k, source in enumerate(room_sources(config)):
        camera = camera_settings(config.camera, cameras[k], k, folder) if cameras else config.camera
        found.append(replace(config, source=source, camera=camera))
    return found
