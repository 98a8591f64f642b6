# Reprise in a container. Entries and the index are kept in the volume /data:
#
#     docker build -t reprise .
#     docker run --read-only --tmpfs /tmp --cap-drop ALL -p 8080:8080 -v reprise:/data reprise
#
# CONFIG names a configuration file; PORT, OPENAI_BASE_URL and REDIS_URL win over it.

FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/reprise
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The dependencies first: they change less often than the program, and their layer is kept.
COPY deploy/requirements/run.txt deploy/requirements/dev.txt deploy/requirements/
RUN /opt/reprise/bin/pip install --require-hashes --no-deps -r deploy/requirements/run.txt
# The build backend comes from the other lock, by its hashes too, and stays in this stage.
RUN python -m venv /opt/build \
    && awk '/^[a-z]/ {keep = /^(hatchling|packaging|pathspec|pluggy|trove-classifiers)==/} keep' \
        deploy/requirements/dev.txt > build.txt \
    && /opt/build/bin/pip install --require-hashes --no-deps -r build.txt
COPY pyproject.toml README.md LICENSE ./
COPY proxy proxy
RUN /opt/build/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /opt/wheels . \
    && /opt/reprise/bin/pip install --no-deps /opt/wheels/reprise-*.whl

FROM python:3.13-slim
RUN groupadd --system --gid 10001 reprise \
    && useradd --system --uid 10001 --gid 10001 --no-create-home reprise \
    && install --directory --owner reprise --group reprise --mode 700 /data
COPY --from=build /opt/reprise /opt/reprise
ENV PATH=/opt/reprise/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8080
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
# From here the default files data/reprise.db and data/index.snapshot are in the volume.
WORKDIR /
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=20s --timeout=5s --start-period=30s --start-interval=1s CMD ["reprise", "probe"]
ENTRYPOINT ["reprise"]
CMD ["serve"]
