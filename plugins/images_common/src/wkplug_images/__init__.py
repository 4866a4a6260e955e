"""Everyday images for wkplug: PNG, JPEG, BMP, GIF, JPEG 2000; and the picture that `wkplug preview` draws."""
