# SPDX-License-Identifier: Apache-2.0
# Builds on Debian 12 and 13 (--build-arg BASE=debian:13-slim). buildah needs --format docker, or it drops the HEALTHCHECK.
# docs/container.md describes how to run the image, and the reasons for its design.
ARG BASE=debian:12-slim

FROM ${BASE} AS build
WORKDIR /src
COPY scripts/ scripts/
# setcap is part of libcap2-bin.
RUN scripts/install-deps && scripts/fetch-civetweb /civetweb \
 && apt-get -q -y --no-install-recommends install libcap2-bin
COPY . .
ARG REVISION=unknown
RUN cmake -S . -B /build -G Ninja -DNSWARDEN_TESTS=OFF -DCMAKE_UNITY_BUILD=ON -DNSWARDEN_CIVETWEB_SOURCE=/civetweb \
          -DNSWARDEN_REVISION="$REVISION" -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_SYSCONFDIR=/etc \
 && cmake --build /build --target nswarden \
 && DESTDIR=/installed cmake --install /build --strip
# Leaves out man pages, completions, the unit and dashboards. scripts/image-files lists the contents.
RUN scripts/image-files /installed /image /civetweb

FROM ${BASE}
COPY --from=build /image/packages /tmp/packages
# Prevents any program file from granting root: file capabilities need no_new_privs off, which also enables the setuid bit.
RUN apt-get -q update \
 && DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $(cat /tmp/packages) \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && echo 'nswarden:x:9100:9100:nswarden:/nonexistent:/usr/sbin/nologin' >>/etc/passwd \
 && echo 'nswarden:x:9100:' >>/etc/group \
 && rm -rf /tmp/packages /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY --from=build /image/root/ /

ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="nswarden" \
      org.opencontainers.image.description="Keeps the sysctls of network namespaces as the policy says" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# The host's procfs; all commands of the program use it.
ENV NSWARDEN_PROCFS=/host/proc
USER 9100:9100
EXPOSE 10042
# Queries /-/ready, which succeeds once the first sweep is done.
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s --retries=3 CMD ["/usr/bin/nswarden", "healthcheck"]
ENTRYPOINT ["/usr/bin/nswarden"]
CMD ["run", "--web.listen-address=:10042"]
