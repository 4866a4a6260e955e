"""Zeiss CZI for wkplug: mosaics, scenes, channels, pyramids."""
