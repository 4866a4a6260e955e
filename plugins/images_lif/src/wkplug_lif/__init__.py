"""Leica LIF for wkplug, through liffile."""
