"""Buckets for wkplug: S3, Google Cloud Storage and Azure."""
