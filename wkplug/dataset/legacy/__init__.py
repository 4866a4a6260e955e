"""Every deprecated or format-named spelling that users' code holds, as thin adapters over the new ones.

The only place above the plugins that may know the name of a format. `parameters` lets methods take older
arguments, `views`, `mags`, `layer` and `datasets` are base classes with the names that are gone, `arrays` and
`formats` are the classes and members that carry a format's name. Each spelling warns and names today's.
"""
