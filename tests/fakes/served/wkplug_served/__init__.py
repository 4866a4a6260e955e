"""A service whose datasets have their metadata elsewhere than in a file."""
