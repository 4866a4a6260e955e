"""The command line: one file a group of commands, found through the table in `wkplug.cli.main`.

Commands translate arguments into calls of the public API and results into text; they decide nothing. Their files are
imported for each `wkplug --help`: what costs time there (arrays, operations, the registry) they reach through the table
of `wkplug.cli.late`.
"""
