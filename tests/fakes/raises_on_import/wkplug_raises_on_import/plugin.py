"""Fails when it is imported."""

raise OSError("libnothing.so.1: cannot open shared object file")
