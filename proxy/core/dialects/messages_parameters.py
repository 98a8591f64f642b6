"""Every parameter of Anthropic's `messages.create`, one row each: what it is to the cache, and why.

A test compares the table with the official SDK's parameters, those of its beta API included.
`temperature`, `top_p` and `top_k` are in no current model's; a request that has them has them in
its key, as all that no row knows.
"""

from typing import Final

from proxy.core.dialects.parameters import Parameter, Part, is_given

_PLAIN = Parameter(Part.SAMPLING, "shapes the answer")

TABLE: Final[dict[str, Parameter]] = {
    "messages": Parameter(Part.MESSAGES, "read message by message"),
    "system": Parameter(Part.MESSAGES, "read block by block"),
    "model": Parameter(Part.MODEL),
    # Tools
    "tools": Parameter(Part.MESSAGES, "read tool by tool: the answer may be an act"),
    "tool_choice": Parameter(Part.TOOLS, "the answer may be an act: admission decides"),
    # Sampling and length
    "max_tokens": _PLAIN,
    "stop_sequences": Parameter(Part.SAMPLING, "shapes the answer", default=[]),
    "thinking": _PLAIN,
    "compaction": Parameter(Part.SAMPLING, "the answer is a summary"),
    "context_management": Parameter(Part.SAMPLING, "which turns are read"),
    "fallbacks": Parameter(Part.SAMPLING, "which model answers"),
    "inference_geo": Parameter(Part.SAMPLING, "where it may be answered"),
    # Format
    "output_config": Parameter(Part.FORMAT),
    "output_format": Parameter(Part.FORMAT),
    # Past the cache: the origin is to remember, or remembers
    "container": Parameter(Part.FORMAT, "what is in it is not told", bypass=is_given),
    "thread": Parameter(Part.FORMAT, "what came before is not told", bypass=is_given),
    "mcp_servers": Parameter(Part.FORMAT, "what they say changes", bypass=is_given),
    "diagnostics": Parameter(Part.FORMAT, "asks about the caller's own messages", bypass=is_given),
    "fallback_credit_token": Parameter(Part.FORMAT, "is redeemed once", bypass=is_given),
    "billing_policy": Parameter(Part.FORMAT, "may be refused", bypass=is_given),
    # Not in the key
    "stream": Parameter(Part.NOT_IN_KEY, "one entry serves both forms"),
    "metadata": Parameter(Part.NOT_IN_KEY, "names who asks, not what"),
    "cache_control": Parameter(Part.NOT_IN_KEY, "where the origin caches, not what it says"),
    "service_tier": Parameter(Part.NOT_IN_KEY, "how fast, not what"),
    "speed": Parameter(Part.NOT_IN_KEY, "how fast, not what"),
}
