"""One dialect a file: read a request, fold a stream, unfold an answer."""
