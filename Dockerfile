# SPDX-License-Identifier: Apache-2.0
#
# Grove's image: the `grove` command and the transaction tracker on a small Debian.
#
#   docker build -t grove .                                compiles in the image
#   docker build -t grove --build-arg BINARIES=prebuilt .  takes those of build/release/bin
#
# One stage serves both, by a shell `if`, rather than `FROM ${BINARIES}`: the classic builder
# (Debian 12's docker) runs every stage above the target, so a stage of its own for compiling
# would compile even where nobody asks for its result. BuildKit takes the same path.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
ARG BINARIES=build
ENV DEBIAN_FRONTEND=noninteractive
WORKDIR /grove
COPY . .
RUN set -e; \
    case "$BINARIES" in \
      build) \
        ./dev setup demo; \
        cmake --preset release -DGROVE_BUILD_TESTS=OFF; \
        cmake --build --preset release --target bin/grove bin/transaction_tracker; \
        strip build/release/bin/grove build/release/bin/transaction_tracker ;; \
      prebuilt) \
        for name in grove transaction_tracker; do \
          test -x "build/release/bin/$name" || \
            { echo "prebuilt: build/release/bin/$name is missing" >&2; exit 1; }; \
        done ;; \
      *) echo "BINARIES is 'build' or 'prebuilt', not '$BINARIES'" >&2; exit 64 ;; \
    esac

FROM ${BASE} AS runtime
# The one list of what the binaries need; tests/chaos/engine.sh reads this line.
ARG RUNTIME_PACKAGES="libzmq5 libsodium23 libspdlog1.10 libfmt9 libmimalloc2.0"
# A base that has them already (as the smoke test's has) is built upon without any network.
RUN dpkg --status $RUNTIME_PACKAGES >/dev/null 2>&1 || { \
      apt-get update \
      && DEBIAN_FRONTEND=noninteractive \
         apt-get install --yes --no-install-recommends $RUNTIME_PACKAGES \
      && rm -rf /var/lib/apt/lists/*; }
# The node leaves its control socket in GROVE_RUN_DIR; `grove health` and the rest find it there.
RUN useradd --uid 10001 --no-create-home --home-dir /run/grove --shell /usr/sbin/nologin grove \
    && install --directory --owner=grove --group=grove --mode=0700 /run/grove
ENV GROVE_RUN_DIR=/run/grove
COPY --from=build /grove/build/release/bin/grove \
                  /grove/build/release/bin/transaction_tracker /usr/local/bin/
# A library that the list above forgot shows here, not in the first container.
RUN ! ldd /usr/local/bin/grove /usr/local/bin/transaction_tracker 2>&1 | grep 'not found'
USER grove
EXPOSE 7401
CMD ["grove", "--help"]
