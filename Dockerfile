# One image for web, workers, beat, migrations and the MLflow server with Muniment's store.
FROM python:3.11-slim-bookworm AS build
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never PIP_NO_CACHE_DIR=1
RUN python -m pip install --disable-pip-version-check uv==0.13.9
WORKDIR /app
COPY pyproject.toml uv.lock README.md LICENSE ./
# Packages first, on their own: they change less often than the code.
RUN uv sync --frozen --no-default-groups --group server --all-extras --no-install-project
COPY muniment muniment
RUN uv sync --frozen --no-default-groups --group server --all-extras --no-editable

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 bubblewrap git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin muniment
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=config.settings
COPY --from=build /app/.venv .venv
COPY manage.py ./
COPY accounts accounts
COPY audits audits
COPY config config
COPY lineage lineage
COPY policies policies
COPY registry registry
COPY static static
COPY templates templates
# An offline command: it needs no secret and no database.
RUN python manage.py collectstatic --no-input
USER muniment
EXPOSE 8000
CMD ["gunicorn", "config.wsgi:application", "--bind", "0.0.0.0:8000", \
     "--worker-class", "gthread", "--workers", "2", "--threads", "8", \
     "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
