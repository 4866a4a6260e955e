"""Layers under a map of space: turned, sheared, scaled, or moved as a user's own function says.

`maps` are the transforms and where they send points, `warping` computes one part of the result, `layers` refuses what
can't be, plans the parts and writes them.
"""
