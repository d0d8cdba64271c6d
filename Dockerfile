# SPDX-License-Identifier: Apache-2.0
# One image for every node of docker-compose.yml, and one with Debian's Prometheus (--target prometheus).
# Where packages come from another index or through a proxy: --build-arg PIP_INDEX_URL=..., HTTP_PROXY=..., HTTPS_PROXY=...
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS base
# Nothing is started while packages are installed.
RUN printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d

FROM base AS runtime
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends openvswitch-switch python3 \
    && rm -rf /var/lib/apt/lists/*

FROM runtime AS environment
ARG PIP_INDEX_URL
ARG PIP_TRUSTED_HOST
RUN apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates python3-venv
RUN python3 -m venv /opt/castover/.venv
COPY requirements/build.txt requirements/runtime.txt /requirements/
# Without isolation: Ryu 4.34 builds with the setuptools of build.txt, not with the newest.
RUN for file in build runtime; do \
        /opt/castover/.venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --no-input \
            --root-user-action ignore --no-build-isolation --require-hashes -r /requirements/$file.txt || exit 1; \
    done

FROM runtime AS castover
COPY --from=environment /opt/castover/.venv /opt/castover/.venv
COPY . /opt/castover
RUN /opt/castover/.venv/bin/python -m compileall -q /opt/castover/*/ && ln -s /opt/castover/castover /usr/local/bin/castover
WORKDIR /opt/castover
ENTRYPOINT ["castover"]

# Last: a builder that knows no targets' needs builds all that stands before the target.
FROM base AS prometheus
RUN apt-get update -q && apt-get install -y -q --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/*
USER nobody
ENTRYPOINT ["/usr/bin/prometheus"]
