"""Nikon ND2 for wkplug, through nd2."""
