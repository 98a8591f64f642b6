"""The real program under load for a while, and what it must not do meanwhile: grow, lag or err.

`python -m tests.load` is `make load` and `make soak`: `callers` ask by the plans of `shapes`, and
an `origin` answers that is a process of its own. `probing` and `watching` look at the program from
outside, `verdicts` says what follows, `report` tells it. docs/load.md has what came out.
"""
