"""Real client programs before the running proxy: `make test-clients`."""
