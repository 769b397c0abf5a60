"""Several cameras in one room: what each projects and how, read from the files of calibration tools."""
