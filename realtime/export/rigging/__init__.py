"""Fit rigs of constant bones to clips."""
