"""Open the source that a run's settings name."""

from __future__ import annotations

from realtime.capture.demo_source import DemoSource
from realtime.capture.source import Source, Stamper
from realtime.config.schema import RunConfig
from realtime.config.source_spec import check, kind_of


def open_source(config: RunConfig, stream: int | None = None) -> Source:
    """Open, with its first picture still to come; SourceError says why not."""
    from realtime.capture import opencv

    check(config.source)
    stamper = Stamper(config.source.name, stream)
    kind = kind_of(config.source.spec)
    if kind == "demo":
        return DemoSource(config.source, config.demo, config.detector.people, stamper)
    if kind == "remote":
        from realtime.capture.remote.remote_source import RemoteSource

        return RemoteSource(config.source, config.publish.keys)
    if kind == "file":
        return opencv.open_file(config.source, stamper)
    return opencv.open_live(config.source, stamper)
