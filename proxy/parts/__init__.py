"""Builds the parts of a cache as configured: what `proxy.runtime` starts and closes."""
