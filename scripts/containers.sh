# A container engine that works here; sourced after set-up.sh.
# shellcheck shell=bash

# What targets/Containerfile builds on.
RELEASE=trixie
BASE=debian:$RELEASE-slim

# Chooses a container engine that works here.
need_engine() {
    if docker info >/dev/null 2>&1; then
        engine=docker
        return
    fi
    engine=podman
    need_packages podman:podman
}

# The base image; where no registry can be reached it is made from Debian's packages.
need_base() {
    "$engine" image inspect "$BASE" >/dev/null 2>&1 && return
    "$engine" pull --quiet "$BASE" >/dev/null 2>&1 && return
    echo "No registry has $BASE for this machine: making it with debootstrap"
    need_packages debootstrap:debootstrap
    local root
    root=$(mktemp -d)
    as_root debootstrap --variant=minbase "$RELEASE" "$root" >"$TOOLS/debootstrap.log" 2>&1 || {
        tail -n 5 "$TOOLS/debootstrap.log" >&2
        fail 69 "$BASE can be neither pulled nor made"
    }
    as_root tar -C "$root" -c . | "$engine" import --message "debootstrap" - "docker.io/library/$BASE" >/dev/null
    as_root rm -rf "$root"
}

# podman's defaults ask for more than some machines allow, those that are containers themselves among them.
need_running_containers() {
    "$engine" run --rm "$BASE" true >/dev/null 2>&1 && return
    [ "$engine" = podman ] || fail 69 "docker cannot run a container; see: docker run --rm $BASE true"
    need_packages runc:runc
    export CONTAINERS_CONF=$TOOLS/containers.conf
    # Whole at any time: somebody else's podman may read it.
    cat >"$CONTAINERS_CONF.$$" <<'CONF'
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=10000:10000"]
[engine]
runtime = "runc"
CONF
    mv "$CONTAINERS_CONF.$$" "$CONTAINERS_CONF"
    podman run --rm "$BASE" true || fail 69 "podman cannot run a container here"
}
