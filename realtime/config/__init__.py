"""Define and check the settings of a run.

Knows every setting, its unit and bounds.  Does not know what a setting does.
"""
