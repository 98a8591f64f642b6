"""The dashboard in a real browser: `make test-browser`.

Chromium and what drives it are programs of their own, not libraries of the other tests.
"""
