"""Read raw motion capture: Acclaim and BVH files as the 17 joints."""
