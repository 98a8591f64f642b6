"""A real model before and behind the running proxy: `make test-real`."""
