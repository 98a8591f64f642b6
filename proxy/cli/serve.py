"""`reprise serve`: run the proxy until it is told to stop."""

import sys

from proxy.cli.options import ConfigFile, exit_with, load_or_exit
from proxy.errors import ConfigError


def serve(config: ConfigFile = None) -> None:
    """Run the proxy until SIGTERM or SIGINT; requests in flight get time to end."""
    found = load_or_exit(config)
    if found.server.workers == 1:
        from proxy.serving import run  # noqa: PLC0415 - what is not needed is not imported

        sys.exit(run(found))
    from proxy.supervisor import supervise  # noqa: PLC0415 - the same

    try:
        sys.exit(supervise(found))
    except ConfigError as error:
        exit_with(error)
