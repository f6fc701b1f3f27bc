# The service as an image, without what only its development needs. Written on a machine without Docker: not built there.
# A test runs the same RUN lines in a plain folder. docker build --build-arg REVISION="$(git rev-parse HEAD)" .
# The digest is that of python:3.11.16-slim for all platforms, as published; a newer one comes with a newer tag.
FROM python:3.11.16-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7 AS build
WORKDIR /app
COPY requirements.lock requirements-build.lock ./
RUN python -m venv --without-pip /app/.venv \
    && python -m venv /build \
    && /build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-build.lock \
    && /build/bin/pip --python /app/.venv install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY . /source
RUN /build/bin/pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -w /wheels /source \
    && /build/bin/pip --python /app/.venv install --no-cache-dir --disable-pip-version-check --no-deps --no-index /wheels/*.whl
# What is in the image, with versions and licences.
RUN /build/bin/cyclonedx-py environment --output-reproducible --of JSON -o /app/sbom.cdx.json /app/.venv

FROM python:3.11.16-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7
ARG REVISION=unknown
LABEL org.opencontainers.image.title="segments" \
      org.opencontainers.image.description="Event-sourced user segments: Kafka, a Postgres log, projections" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11.16-slim" \
      org.opencontainers.image.base.digest="sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7"
RUN useradd --system --uid 10001 segments
COPY --from=build /app/.venv /app/.venv
COPY --from=build /app/sbom.cdx.json /app/sbom.cdx.json
USER 10001
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 SEGMENTS_HTTP_HOST=0.0.0.0 SEGMENTS_HEALTH_PORT=8080
EXPOSE 8080
HEALTHCHECK --start-period=20s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/health/live')"]
ENTRYPOINT ["segments"]
