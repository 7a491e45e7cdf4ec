# The wallet service as an image: `docker build -t wallet .`
#
# tests/integration/test_container_files.py runs the commands below in a clean directory, as an
# unprivileged user and without Node.js on the path, so keep them plain: one tool per RUN, no cache mounts.

# What the suite runs on is what we ship. Pin the digest here where builds must be repeatable.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# One environment builds, another one is shipped: the second has no pip and no Node.js in it. Both
# come from the same lock, and only hashes that stand in it are accepted.
COPY requirements.lock requirements-node.lock ./
RUN python -m venv /opt/build
RUN /opt/build/bin/pip install --quiet --no-deps --require-hashes -r requirements.lock
RUN python -m venv --without-pip /opt/wallet
RUN /opt/build/bin/pip --python /opt/wallet/bin/python install --quiet --no-deps --require-hashes -r requirements.lock

# The pages change less often than the service, so they are built before it.
COPY web/ web/
COPY scripts/build_assets.py scripts/
RUN /opt/build/bin/python scripts/build_assets.py

COPY pyproject.toml README.md LICENSE* ./
COPY migrations/ migrations/
COPY src/ src/
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels .
RUN /opt/build/bin/pip --python /opt/wallet/bin/python install --quiet --no-deps --no-index /wheels/*.whl

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="wallet" \
      org.opencontainers.image.licenses="Apache-2.0"

# A fixed number, so that an orchestrator can check that the image does not run as root.
RUN groupadd --system --gid 10001 wallet && useradd --system --uid 10001 --gid wallet --home-dir /var/lib/wallet --shell /usr/sbin/nologin wallet && install --directory --owner=wallet --group=wallet --mode=0700 /var/lib/wallet
COPY --from=build /opt/wallet /opt/wallet

# The root may be read-only: the service writes to its data directory (in development: the signing
# key and mails) and to /tmp. The database is another container's, named by WALLET_DATABASE_URL.
ENV PATH=/opt/wallet/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WALLET_DATA_DIRECTORY=/var/lib/wallet \
    WALLET_HOST=0.0.0.0 \
    WALLET_PORT=4000
USER 10001:10001
WORKDIR /var/lib/wallet
EXPOSE 4000

# Live, not ready: a database that is away is no reason to restart the service. No proxy is asked.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['WALLET_PORT'] + '/health/live', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["wallet", "serve"]
