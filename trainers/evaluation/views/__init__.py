"""Evaluate before calibrated cameras, against triangulated references."""
