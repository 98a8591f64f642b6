"""`reprise serve`: run the proxy until it is told to stop."""

import os
import sys

from proxy.cli.options import ConfigFile, exit_with, load_or_exit
from proxy.errors import ConfigError


def serve(config: ConfigFile = None) -> None:
    """Run the proxy until SIGTERM or SIGINT; requests in flight get time to end.

    SIGHUP reloads the configuration, as a change of its file does.
    """
    found = load_or_exit(config)
    if found.server.workers == 1:
        from proxy.config.loading import Source  # noqa: PLC0415 - what is not needed is not imported
        from proxy.serving import run  # noqa: PLC0415 - the same

        sys.exit(run(found, Source(config, os.environ)))
    from proxy.supervisor import supervise  # noqa: PLC0415 - the same

    try:
        sys.exit(supervise(found, config))
    except ConfigError as error:
        exit_with(error)
