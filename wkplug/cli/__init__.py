"""The command line: one file a command, found through the table in `wkplug.cli.main`.

Commands translate arguments into calls of the public API and results into text; they decide nothing.
"""
