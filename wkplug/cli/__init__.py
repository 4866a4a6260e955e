"""The command line: one file a group of commands, found through the table in `wkplug.cli.main`.

Commands translate arguments into calls of the public API and results into text; they decide nothing. Their files are
imported for each `wkplug --help`, so that what costs time (arrays, operations, the registry) is imported in functions.
"""
