"""What data of other tools would be as layers that refer to it: nothing is copied.

`sources` goes from a URL, a path or a viewer's link to places; `layers` from what an importer says of a place to
layers; `exploration` makes datasets of them. Importers and the rules for names, channels and categories are those of
imports.
"""
