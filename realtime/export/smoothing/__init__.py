"""Smooth recorded clips without lag and hold standing feet."""
