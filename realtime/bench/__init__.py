"""What this machine makes of the pipeline: a bare loop around the detector beside it, on the same frames."""
