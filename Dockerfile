# Plain Dockerfile syntax on purpose: it is also built by buildah 1.28 (no heredocs, no COPY --link).
FROM python:3.13-slim AS builder
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Not pinned: Debian's archive keeps the newest build of a package only.
# hadolint ignore=DL3008
RUN apt-get -o Acquire::Retries=3 update \
 && DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 install -y \
      --no-install-recommends --no-upgrade binutils git \
 && rm -rf /var/lib/apt/lists/*
# The git that the image gets: one program of 4 MB, which holds every command that we call, instead of
# the package with perl. Scanners find it as distroless images show theirs: in status.d.
RUN mkdir -p /git/usr/bin /git/usr/share/doc/git /git/var/lib/dpkg/status.d \
 && cp /usr/bin/git /git/usr/bin/ \
 && cp /usr/share/doc/git/copyright /git/usr/share/doc/git/ \
 && dpkg-query --status git >/git/var/lib/dpkg/status.d/git
WORKDIR /build
# The environment holds no pip of its own: the base image's pip installs into it from outside.
RUN python3 -m venv --without-pip /opt/venv
COPY requirements.lock ./
RUN python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY batch_action batch_action
# PyJWT does without cryptography, and rich without pygments (Markdown on the terminal, which only the
# demo shows); `pip check` misses them. Bytecode stays: the entry point writes none.
RUN python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --no-deps --no-build-isolation . \
 && python3 -m pip --python /opt/venv/bin/python uninstall --quiet --yes cryptography flit_core pygments \
 && find /opt/venv -type d \( -name tests -o -name test \) -prune -exec rm -rf '{}' + \
 && find /opt/venv -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.pyx' -o -name '*.c' -o -name '*.h' \) -delete \
 && find /opt/venv -type f -name '*.so*' -exec strip --strip-unneeded '{}' + \
 && chmod -R go-w /opt/venv /git

FROM python:3.13-slim
COPY --from=builder /git /
COPY --from=builder /opt/venv /opt/venv
# Each command of git that we call is in this one program; certificates come with the base image.
RUN git --list-cmds=builtins >/tmp/builtins \
 && for verb in apply cat-file check-attr commit-tree diff-tree grep ls-tree merge-base mktree \
      read-tree rev-list rev-parse symbolic-ref version write-tree; do \
      grep -qx "$verb" /tmp/builtins || { echo "git has no $verb"; exit 1; }; done \
 && rm /tmp/builtins \
 && test -s /etc/ssl/certs/ca-certificates.crt
# The workspace belongs to the runner's user (uid 1001), not to root: git must accept that.
ENV GIT_CONFIG_COUNT=1 \
    GIT_CONFIG_KEY_0=safe.directory \
    GIT_CONFIG_VALUE_0=* \
    LANG=C.UTF-8
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
