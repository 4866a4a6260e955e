"""WEBKNOSSOS servers: their datasets, with the whole interface of `Dataset`, and what only servers have."""
