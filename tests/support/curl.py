"""What curl does of what the documents ask of it, for machines that have none.

python -m tests.support.curl URL [-H HEADER]... [-d BODY] [-X METHOD]
"""

import argparse
import sys
import urllib.error
import urllib.request


def main() -> int:
    """Print the reply's body; the exit status is curl's with `--fail-with-body`."""
    parser = argparse.ArgumentParser(prog="curl")
    parser.add_argument("url")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    parser.add_argument("-X", dest="method")
    asked = parser.parse_args()
    headers = dict(line.split(": ", 1) for line in asked.headers)
    body = None if asked.body is None else asked.body.encode()
    request = urllib.request.Request(asked.url, body, headers, method=asked.method)  # noqa: S310 - a proxy's under test
    try:
        with urllib.request.urlopen(request) as got:  # noqa: S310 - the same
            sys.stdout.write(got.read().decode())
    except urllib.error.HTTPError as error:
        sys.stdout.write(error.read().decode())
        return 22
    return 0


if __name__ == "__main__":
    sys.exit(main())
