"""Evaluate on footage with occluders pasted in."""
