"""Others' test suites before the running proxy and before its origin: `make test-conformance`."""
