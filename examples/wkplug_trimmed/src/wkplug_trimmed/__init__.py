"""The trimmed mean for wkplug: an example of an interpolation plugin."""
