"""Render cylinder people with exact truth: `CylinderWorld` is the source, `render` draws any pose."""

from realtime.demo.render import render
from realtime.demo.world import CylinderWorld

__all__ = ["CylinderWorld", "render"]
