# One image for every process: the web pages by default, or
#   python manage.py migrate_all | create_topics | run_consumer <context> | run_worker | run_beat

ARG PYTHON=3.11

# The locked packages, each checked against its hash; wheels only, so nothing is compiled.
FROM python:${PYTHON}-slim AS packages
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps \
        --only-binary :all: --require-hashes -r requirements.txt \
    && /venv/bin/pip check \
    && /venv/bin/pip uninstall --yes pip setuptools

FROM python:${PYTHON}-slim AS platform
LABEL org.opencontainers.image.title="Sagaplatform" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 saga \
    && useradd --uid 10001 --gid saga --no-create-home --home-dir /app --shell /usr/sbin/nologin saga
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
# The files belong to root and the process runs as another user: it cannot change its own code, nor
# keep its bytecode.
RUN SECRET_KEY=not-kept-in-the-image python manage.py collectstatic --no-input \
    && python -m compileall -q apps sagaplatform
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "docker/health.py"]
# One worker with threads: login limits are counted per process. More: WEB_CONCURRENCY.
CMD ["gunicorn", "sagaplatform.wsgi:application", "--bind", "0.0.0.0:8000", \
     "--worker-class", "gthread", "--threads", "16", "--graceful-timeout", "10", \
     "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
