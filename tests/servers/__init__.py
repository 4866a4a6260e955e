"""Real servers for tests and benchmarks: on loopback, bounded in time, ended by who started them.

`counting` holds objects in memory and counts requests; `proxies` stands before any other and spoils answers. Other
people's are in `emulators`: moto, fake-gcs-server, azurite, nginx; `files` and `scripted` misbehave
as web servers do. Fixtures for all tests are in `fixtures`.
"""
