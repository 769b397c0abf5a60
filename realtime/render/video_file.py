"""Write a video file: H.264 by ffmpeg or by OpenCV, else what OpenCV has, and say which."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from realtime.render.style import Image

H264_ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf", "h264_nvenc")
QUALITY = {"libx264": ("-preset", "veryfast", "-crf", "20")}
FRAGMENTED = "+frag_keyframe+empty_moov+default_base_moof"  # what was written before a kill can be played
LIST_TIMEOUT_S = 20.0


class VideoError(Exception):
    """A film could not be written; the text says why and what helps."""

    exit_code = 2


class VideoFile(Protocol):
    codec: str  # as told to the user
    plays_everywhere: bool  # H.264

    def write(self, image: Image) -> None: ...
    def close(self) -> None: ...
    def drop(self) -> None:
        """End without a word, whatever became of the file."""
        ...


def open_video(path: Path, size: tuple[int, int], fps: float, ffmpeg: str | None = None) -> VideoFile:
    """Return a file for pictures of this size (width, height), both even."""
    program = ffmpeg if ffmpeg is not None else shutil.which("ffmpeg")
    encoder = h264_encoder(program) if program else None
    if program and encoder:
        return FfmpegFile(program, encoder, path, size, fps)
    return OpenCvFile(path, size, fps)


def h264_encoder(program: str) -> str | None:
    """Return the first H.264 encoder that this ffmpeg has."""
    try:
        asked = subprocess.run(
            [program, "-hide_banner", "-encoders"], capture_output=True, text=True, timeout=LIST_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = set(asked.stdout.split())
    return next((name for name in H264_ENCODERS if name in words), None)


class FfmpegFile:
    """Raw pictures into ffmpeg's pipe; it has a session of its own, so that Ctrl-C ends us and we end it."""

    plays_everywhere = True

    def __init__(self, program: str, encoder: str, path: Path, size: tuple[int, int], fps: float) -> None:
        self.codec, self._path = f"H.264 ({encoder} of ffmpeg)", path
        command = [
            program, "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
            "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{size[0]}x{size[1]}", "-r", f"{fps:.6f}", "-i", "pipe:0",
            "-an", "-c:v", encoder, *QUALITY.get(encoder, ()), "-pix_fmt", "yuv420p", "-movflags", FRAGMENTED,
            "-f", "mp4", str(path.absolute()),
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    def write(self, image: Image) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(image).data)
        except BrokenPipeError:
            raise VideoError(f"{self._path}: {self._last_words()}") from None

    def close(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # said below
            self._process.stdin.close()
        words = self._last_words()
        if self._process.returncode:
            raise VideoError(f"{self._path}: {words}")

    def drop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        said = self._process.stderr.read().decode("utf-8", "replace").strip().splitlines()
        self._process.wait()
        self._process.stderr.close()
        return f"ffmpeg ended: {said[-1] if said else f'exit code {self._process.returncode}'}"


class OpenCvFile:
    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        self.plays_everywhere, self._writer = True, opened(path, "avc1", size, fps)
        self.codec = "H.264 (OpenCV)"
        if self._writer is None:
            self.plays_everywhere, self._writer = False, opened(path, "mp4v", size, fps)
            self.codec = "MPEG-4 Part 2 (OpenCV)"
        if self._writer is None:
            raise VideoError(f"{path}: OpenCV cannot write it; is the folder writable, does the name end in .mp4?")

    def write(self, image: Image) -> None:
        assert self._writer is not None
        self._writer.write(image)

    def close(self) -> None:
        assert self._writer is not None
        self._writer.release()

    def drop(self) -> None:
        self.close()


def opened(path: Path, fourcc: str, size: tuple[int, int], fps: float) -> cv2.VideoWriter | None:
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*fourcc), fps, size)
    finally:
        cv2.utils.logging.setLogLevel(level)
    return writer if writer.isOpened() else None
