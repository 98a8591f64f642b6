"""nginx: the origin of every run, and the yardstick beside the proxy."""

import re
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.http import traffic
from bench.http.processes import Running, program
from tests.support.servers import free_port

LARGE = 10 * 1024 * 1024
"""Bytes of a large body."""

SLOW_BYTES_S = 2000
"""At which a slow stream comes."""

HERE = """
  location = /alive { return 200 'yes'; }
  location = /count { stub_status; }
"""

ORIGIN = """
  set $chunk 'data: {chunk}\\n\\n';
  location / {{ default_type application/json; return 200 '{answer}'; }}
  location /stream/ {{ default_type text/event-stream; return 200 "{stream}"; }}
  location /slow/ {{
    limit_rate {rate}; default_type text/event-stream; return 200 "{stream}";
  }}
  location = /v1/files {{  # reads all before it answers, as it asks itself for the answer
    client_body_buffer_size 16m; proxy_pass_request_body off; proxy_set_header Content-Length "";
    proxy_http_version 1.1; proxy_pass http://127.0.0.1:{port}/;
  }}
  location /v1/files/large/ {{ alias {directory}/; }}
"""

UPSTREAM = "upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; }}"

PASSES = """
    proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
"""

PASS = f"""
  location / {{{{ {PASSES} }}}}
  location /stream/ {{{{ {PASSES} proxy_buffering off; }}}}
  location /v1/files {{{{
    {PASSES}
    proxy_request_buffering off; proxy_buffer_size 64k; proxy_buffers 16 256k;
    proxy_busy_buffers_size 1m; proxy_max_temp_file_size 0;
  }}}}
"""

CACHE = f"""
  location / {{{{
    {PASSES}
    proxy_cache answers; proxy_cache_methods POST; proxy_cache_valid 200 1h;
    proxy_cache_key "$http_authorization|$request_uri|$request_body";
    add_header x-cache $upstream_cache_status;
  }}}}
"""

WHOLE = """
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
worker_rlimit_nofile 65536;
events {{ worker_connections 8192; }}
http {{
  access_log {access_log};
  keepalive_requests 100000000;
  sendfile on; tcp_nodelay on;
  client_max_body_size 64m; client_body_buffer_size 2m;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  {around}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    {server}
  }}
}}
"""


def origin(directory: Path) -> AbstractContextManager[Running]:
    """Answers at once: JSON, streams under /stream/ and /slow/, and a large file."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "body.bin").write_bytes(bytes(LARGE))
    ends = f"data: {traffic.last_frame()}\\n\\ndata: [DONE]\\n\\n"
    stream = "${chunk}" * traffic.CHUNKS + ends.replace('"', '\\"')
    port = free_port()
    block = ORIGIN.format(
        chunk=traffic.frame(" cached"),
        stream=stream,
        rate=SLOW_BYTES_S,
        answer=traffic.ANSWER,
        directory=directory,
        port=port,
    )
    return _nginx(block, directory, port=port)


def passing(
    origin: Running, directory: Path, *, logs: bool = False
) -> AbstractContextManager[Running]:
    """Passes everything on; streams piece by piece."""
    return _nginx(PASS.format(), directory, UPSTREAM.format(origin=origin.port), logs=logs)


def caching(
    origin: Running, directory: Path, *, logs: bool = False
) -> AbstractContextManager[Running]:
    """Answers a body that it has seen, of the same caller."""
    keeps = f"proxy_cache_path {directory}/cache keys_zone=answers:10m max_size=64m;"
    around = keeps + UPSTREAM.format(origin=origin.port)
    return _nginx(CACHE.format(), directory, around, logs=logs)


def count(origin: Running) -> int:
    """Requests that an nginx has had; asking is one of them."""
    with urllib.request.urlopen(f"{origin.url}/count", timeout=10) as got:  # noqa: S310 - our own
        return int(re.findall(r"(?m)^ \d+ \d+ (\d+)", got.read().decode())[0])


@contextmanager
def _nginx(
    server: str, directory: Path, around: str = "", *, logs: bool = False, port: int = 0
) -> Iterator[Running]:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)  # its worker is another user where root starts it
    port = port or free_port()
    file = directory / "nginx.conf"
    access_log = f"{directory}/access.log" if logs else "off"
    file.write_text(
        WHOLE.format(
            directory=directory,
            access_log=access_log,
            around=around,
            port=port,
            server=HERE + server,
        )
    )
    command = ["nginx", "-c", str(file), "-p", str(directory), "-g", "daemon off;"]
    with program(command, port, directory, ready="/alive") as running:
        yield running
