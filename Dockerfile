# One image for every role: `serve`, `work`, `prepare` are commands of the same entrypoint, `umbra`.
# Target `load` is the image of the load test. Classic builder and BuildKit both build it, hence no
# `# syntax` line, no cache mounts and no COPY --chmod.
ARG BASE_IMAGE=python:3.13.16-slim-trixie

FROM ${BASE_IMAGE} AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/build && python -m venv --without-pip /opt/umbra
WORKDIR /source
COPY requirements-build.lock requirements-runtime.lock ./
RUN /opt/build/bin/pip install --quiet --require-hashes -r requirements-build.lock \
 && /opt/build/bin/pip --python /opt/umbra install --quiet --require-hashes -r requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY model_package model_package
COPY monitoring monitoring
COPY shadow shadow
COPY api api
COPY umbra umbra
RUN /opt/build/bin/python -m hatchling build -t wheel -d /source/dist \
 && /opt/build/bin/pip --python /opt/umbra install --quiet --no-deps --no-index /source/dist/*.whl

FROM builder AS load-builder
COPY requirements-load.lock ./
RUN /opt/build/bin/pip --python /opt/umbra install --quiet --require-hashes -r requirements-load.lock

FROM ${BASE_IMAGE} AS base
# LightGBM's wheel uses the system's OpenMP.
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libgomp1 >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && groupadd --gid 10001 umbra \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin umbra \
 && install --directory --owner=10001 --group=10001 --mode=0750 /data /models /logs
# Nothing is imported from the working directory, and nobody may write to that one. OpenMP threads do not survive a
# fork, and one house needs only one.
ENV PATH=/opt/umbra/bin:$PATH \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1
WORKDIR /
USER 10001:10001

FROM base AS load
COPY --from=load-builder /opt/umbra /opt/umbra
COPY load_tests /load_tests
ENTRYPOINT ["locust", "--locustfile", "/load_tests/locustfile.py"]

FROM base AS umbra
COPY --from=builder /opt/umbra /opt/umbra
ENV UMBRA_DATA_DIR=/data
ENTRYPOINT ["umbra"]
