"""Reprise beside nginx and its peers, under one load: `python -m bench.http --help`.

traffic     what is asked and answered
nginx, reprise, bare, peers     what is measured, each as a process of its own
processes   starting them, and what they spend
wrk, client     who asks
rounds      target after target, again and again; whether each did what its row says
hits, shared, semantic, misses, streams, crowd, starting, scaling, entries     what is measured
bars        what the program is held to
report, plot    what comes of it
"""
