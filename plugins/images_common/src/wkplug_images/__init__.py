"""Everyday images for wkplug: PNG, JPEG, BMP, GIF; and the picture that `wkplug preview` draws."""
