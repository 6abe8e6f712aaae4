# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A container engine and Grove's image, on a machine that may have neither and may reach no
# registry. Sourced by smoke.sh and containers.sh, which set `repository` (the checkout), `binaries`
# (a folder), `scratch` (a folder that they delete) and GROVE_IMAGE (how the image is to be called).

: "${repository:?}" "${binaries:?}" "${scratch:?}"
base_image=""  # set by base_image_find
engine_pid=""  # of the dockerd that we started; empty when we use one that was running
readonly official_base="debian:bookworm-slim"

step() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }

fail() {
  step "FAILED: $*" >&2
  exit 1
}

# wait_until SECONDS COMMAND...: polls COMMAND; false when it never succeeded in that time.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

engine_answers() {
  docker info >/dev/null 2>&1 && [[ -n $(docker info --format '{{.ServerVersion}}' 2>/dev/null) ]]
}

# Uses the engine that runs, else starts a throw-away one.
#
# Ours lives in its own network and mount namespace: bridges, firewall rules and overlay mounts go
# when it goes, two runs on one machine do not meet, and the host's firewall is never touched
# (dockerd would set FORWARD to DROP and leave its chains behind). The price is an engine that
# reaches no network, so its base image brings the runtime packages along. The storage driver is
# dockerd's own choice: overlay2 where the file system can, vfs where it cannot.
engine_start() {
  if engine_answers; then
    step "engine: $(docker info --format '{{.ServerVersion}}, {{.Driver}}'), it was running"
    return
  fi
  command -v dockerd >/dev/null || fail "no engine answers and dockerd is not installed"
  [[ $(id -u) -eq 0 ]] || fail "no engine answers, and only root can start one"

  mkdir "$scratch/engine"
  echo '{}' >"$scratch/engine/daemon.json"  # the machine's own settings are for its own engine
  # unshare and setsid exec the next program, so $! is dockerd itself.
  setsid unshare --net --mount -- dockerd \
    --config-file "$scratch/engine/daemon.json" \
    --data-root "$scratch/engine/data" --exec-root "$scratch/engine/exec" \
    --pidfile "$scratch/engine/pid" --host "unix://$scratch/engine/sock" \
    >"$scratch/engine/log" 2>&1 </dev/null &
  engine_pid=$!
  unset DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH
  export DOCKER_HOST="unix://$scratch/engine/sock"
  if ! wait_until 60 engine_answers_or_died || ! engine_answers; then
    tail -n 30 "$scratch/engine/log" >&2
    fail "dockerd did not come up; the end of its log is above"
  fi
  step "engine: started dockerd $(docker info --format '{{.ServerVersion}}, {{.Driver}}')"
}

engine_answers_or_died() { engine_answers || ! kill -0 "$engine_pid" 2>/dev/null; }

engine_stopped() { ! kill -0 "$engine_pid" 2>/dev/null; }

# Asks our dockerd to stop (it stops its containers and its containerd), by its process id.
engine_stop() {
  [[ -n $engine_pid ]] || return 0
  kill -TERM "$engine_pid" 2>/dev/null || true
  if ! wait_until 30 engine_stopped; then
    echo "dockerd did not stop in 30 s; killing process $engine_pid" >&2
    kill -KILL "$engine_pid" 2>/dev/null || true
  fi
  wait "$engine_pid" 2>/dev/null || true
  engine_pid=""
}

# Sets `base_image`: the official one if it is here or can be pulled, else one made by debootstrap.
# That one has a tag of its own (with a digest of its package list): on an engine others use, it
# must not pass for the official image.
base_image_find() {
  if docker image inspect "$official_base" >/dev/null 2>&1; then
    base_image=$official_base
    step "base image: $base_image is here"
  elif [[ -z $engine_pid ]] && timeout 60 docker pull --quiet "$official_base" >/dev/null 2>&1; then
    base_image=$official_base
    step "base image: pulled $base_image"
  else
    base_image_import
  fi
}

base_image_import() {
  local packages key tarball
  packages=$(sed -n 's/^ARG RUNTIME_PACKAGES="\(.*\)"$/\1/p' "$repository/Dockerfile")
  [[ -n $packages ]] || fail "no line ARG RUNTIME_PACKAGES in the Dockerfile"
  key=$(printf '%s' "$packages" | sha256sum | cut -c 1-12)
  base_image=grove-base:bookworm-$key
  if docker image inspect "$base_image" >/dev/null 2>&1; then
    step "base image: $base_image is here"
    return
  fi
  tarball=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/grove/base-bookworm-$key.tar
  if [[ -f $tarball ]]; then
    step "base image: root file system is in the cache"
  else
    base_image_bootstrap "$packages" "$tarball"
    step "base image: made the root file system with debootstrap"
  fi
  docker import "$tarball" "$base_image" >/dev/null
  step "base image: imported as $base_image"
}

base_image_bootstrap() {
  local packages=$1 tarball=$2 root=$scratch/root
  command -v debootstrap >/dev/null || fail "no registry answers and debootstrap is not installed"
  [[ $(id -u) -eq 0 ]] || fail "no registry answers, and only root can run debootstrap"
  if ! http_proxy=$(apt_proxy) debootstrap --variant=minbase --include="${packages// /,}" \
    bookworm "$root" "$(apt_mirror)" >"$scratch/debootstrap.log" 2>&1; then
    tail -n 20 "$scratch/debootstrap.log" >&2
    fail "debootstrap failed; the end of its log is above"
  fi
  mkdir -p "${tarball%/*}"
  tar -C "$root" --exclude='./var/cache/apt/*.bin' --exclude='./var/cache/apt/archives/*.deb' \
    --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
    --exclude='./usr/share/locale/*' --exclude='./dev/*' -cf "$scratch/base.tar" .
  mv "$scratch/base.tar" "$tarball.$$" && mv "$tarball.$$" "$tarball"  # readers see all or nothing
  rm -rf --one-file-system "$root"
}

# The mirror and the proxy that this machine's apt uses: what works for it works for us.
apt_mirror() {
  local mirror
  # shellcheck disable=SC2016  # apt-get expands it, not the shell
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' \
    'Codename: bookworm' 'Origin: Debian' 2>/dev/null | head -n 1) || true
  echo "${mirror:-http://deb.debian.org/debian}"
}

apt_proxy() {
  local proxy=""
  eval "$(apt-config shell proxy Acquire::http::Proxy 2>/dev/null)" || true
  echo "${proxy:-${http_proxy:-}}"
}

# The context is a folder of its own: the binaries may come from anywhere, without their debug
# information, and the engine is not sent the build tree.
image_build() {
  local context=$scratch/context name
  mkdir -p "$context/build/release/bin"
  for name in grove transaction_tracker; do
    [[ -x $binaries/$name ]] || fail "$binaries/$name is missing; build it first"
    strip -o "$context/build/release/bin/$name" "$binaries/$name" 2>/dev/null ||
      cp "$binaries/$name" "$context/build/release/bin/$name"
    chmod 755 "$context/build/release/bin/$name"
  done
  cp "$repository/Dockerfile" "$context/"
  # The host's network, so that apt reaches in the build what it reaches outside.
  docker build --network host --tag "$GROVE_IMAGE" --build-arg BINARIES=prebuilt \
    --build-arg BASE="$base_image" --build-arg http_proxy="$(apt_proxy)" "$context" \
    >"$scratch/build.log" 2>&1 || {
    cat "$scratch/build.log" >&2
    fail "docker build"
  }
  step "image: built $GROVE_IMAGE, $(docker image inspect --format '{{.Size}}' "$GROVE_IMAGE" |
    awk '{ printf "%d MB", $1 / 1e6 }')"
}
