"""Every deprecated or format-named spelling that users' code holds, as thin adapters over the new ones.

The only place above the plugins that may know the name of a format.
"""
