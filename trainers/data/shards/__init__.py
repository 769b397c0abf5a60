"""Write and read shards of detections: whole clips, bursts of single frames."""
