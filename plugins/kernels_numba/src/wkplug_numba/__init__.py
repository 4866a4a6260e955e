"""Compiled down-sampling modes for wkplug."""
