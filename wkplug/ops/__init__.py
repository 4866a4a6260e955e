"""Verbs that span several objects: importing, downsampling, describing, drawing. Plans of whole shards."""
