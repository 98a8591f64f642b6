"""The program with few descriptors: `python -m tests.program.limited SOFT HARD serve ...`."""

import resource
import runpy
import sys

if __name__ == "__main__":
    soft, hard = map(int, sys.argv[1:3])
    del sys.argv[1:3]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    runpy.run_module("proxy", run_name="__main__")
