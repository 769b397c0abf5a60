"""Carry pictures from the machine that has the camera to the one that finds poses in them."""
