"""Where a request's microseconds go: `python -m bench.profiles --help`, read in README.md.

paths       the program on each path, and who asks it
sampling    what a request costs, by the system's accounts, and where, by py-spy
account     samples added up by module and function; two accounts side by side
"""
