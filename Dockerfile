# Plain Dockerfile syntax on purpose: it is also built by buildah 1.28 (no heredocs, no COPY --link).
FROM python:3.13-slim AS builder
WORKDIR /build
# The environment holds no pip of its own: the base image's pip installs into it from outside.
RUN python3 -m venv --without-pip /opt/venv
COPY requirements.lock ./
RUN python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY batch_action batch_action
RUN python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --no-deps --no-build-isolation . \
 && python3 -m pip --python /opt/venv/bin/python uninstall --quiet --yes flit_core \
 && find /opt/venv -type d \( -name tests -o -name test \) -prune -exec rm -rf '{}' +

FROM python:3.13-slim
# The base image brings ca-certificates already; --no-upgrade leaves a mounted CA bundle in peace.
RUN apt-get -o Acquire::Retries=3 update \
 && DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 install -y \
      --no-install-recommends --no-upgrade ca-certificates git \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
# The workspace belongs to the runner's user (uid 1001), not to root: git must accept that.
ENV GIT_CONFIG_COUNT=1 \
    GIT_CONFIG_KEY_0=safe.directory \
    GIT_CONFIG_VALUE_0=* \
    LANG=C.UTF-8
COPY --from=builder /opt/venv /opt/venv
ARG VERSION=dev
ARG SOURCE=https://github.com/batch-action/batch-action
LABEL org.opencontainers.image.title="batch-action" \
      org.opencontainers.image.description="Nightly AI upkeep of a repository at half price, as one step in a GitHub workflow." \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
# No USER: the platform demands root. -I: nothing in the workspace can shadow an import. PYTHON*
# variables have no effect under -I, hence -B (write no bytecode) and -u (unbuffered log) as flags.
# As an action it gets no arguments; `docker run IMAGE serve …` starts the service instead.
ENTRYPOINT ["/opt/venv/bin/python", "-I", "-B", "-u", "-m", "batch_action"]
CMD ["action"]
