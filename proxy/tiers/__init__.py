"""Where answers are kept: in this process, in a store that replicas share, and in an index.

The shared tier is the source of truth and writes a change log; a vector tier is a fold of that log
and can be lost without losing anything. One contract suite per port (`tests/tiers`) holds for
every implementation.
"""

from collections.abc import Callable

OnEvent = Callable[..., None]
"""`Observer.event`: a name, then fields. A tier reports by it what it survived on its own."""
