"""HTTP in and out: the only package that knows `aiohttp.web`."""
