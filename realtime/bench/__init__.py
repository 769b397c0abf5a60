"""Measure the pipeline against a bare loop around the same detector, on the same frames."""
