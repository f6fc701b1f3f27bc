# The service as an image. Written on a machine without Docker: not built there.
FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv /app/.venv
COPY requirements.lock .
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY . .
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e .

FROM python:3.11-slim
RUN useradd --system segments
COPY --from=build /app /app
USER segments
ENV PATH=/app/.venv/bin:$PATH SEGMENTS_HTTP_HOST=0.0.0.0 SEGMENTS_HEALTH_PORT=8080
EXPOSE 8080
HEALTHCHECK --start-period=20s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/health/live')"]
ENTRYPOINT ["segments"]
