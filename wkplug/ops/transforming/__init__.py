"""Layers under a map of space: turned, sheared, scaled, or moved as a user's own function says.

`maps` are the transforms and where they send points, `checks` refuses what can't be, `warping` computes one part of the
result, `layers` plans the parts and writes them.
"""
