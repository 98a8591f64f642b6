"""How commands end: every exit code, and what it says. docs/cli.md has the same table."""

from typing import Final

EXIT_FAILED: Final = 1
EXIT_MISUSED: Final = 2
EXIT_INTERRUPTED: Final = 130
"""As shells have it: 128 and the number of SIGINT."""

MEANINGS: Final = {
    0: "done; of `explain`: the question would be answered from the cache",
    EXIT_FAILED: "it could not be done: the proxy, a server or a part of the cache does not "
    "answer, there is no such entry, or you said no; of `explain`: the question would not be "
    "answered; of `calibrate`: no threshold meets the target",
    EXIT_MISUSED: "you can mend it: an option, a file, the configuration or the token is wrong; "
    "stderr says which",
    EXIT_INTERRUPTED: "stopped by Ctrl-C before it was done",
}
"""Of every command. What is watched, such as `top`, is done when it is stopped."""
