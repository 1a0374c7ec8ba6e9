# Debian of another architecture: made once, entered under emulation. Sourced after set-up.sh by scripts that run as root.
# shellcheck shell=bash
# shellcheck disable=SC2016 # scripts for other shells

DEBIANS=.cache/debian

# The release for an architecture, and packages of it: debian ARCHITECTURE
debian() {
    case $1 in
    arm64) echo trixie systemd-sysv,udev,kmod,dbus,iproute2 ;;
    armhf) echo bookworm sysvinit-core,systemd-standalone-sysusers ;;
    esac
}

# What making and entering takes.
need_emulation() {
    [ "$(id -u)" -eq 0 ] || fail 77 "only root can make and enter an emulated Debian"
    need_packages mmdebstrap:mmdebstrap arch-test:arch-test qemu-aarch64-static:qemu-user-static unshare:util-linux
    emulate qemu-aarch64
    emulate qemu-arm
}

# Makes the kernel run programs of an architecture: emulate HANDLER
emulate() {
    local handlers=/proc/sys/fs/binfmt_misc
    [ -e $handlers/register ] || mount -t binfmt_misc binfmt_misc $handlers 2>/dev/null ||
        fail 69 "binfmt_misc cannot be mounted, so nothing of another architecture can run"
    # Somebody else may do it at the same time.
    [ -e "$handlers/$1" ] || cat "/usr/lib/binfmt.d/$1.conf" >$handlers/register || [ -e "$handlers/$1" ] ||
        fail 69 "the kernel cannot be told to run programs with $1"
}

# Makes the Debian of an architecture if there is none like it: need_debian ARCHITECTURE
need_debian() {
    local made=$DEBIANS/$1.tar release packages mirror
    read -r release packages < <(debian "$1")
    [ "$(cat "$made.of" 2>/dev/null)" != "$release $packages" ] || return 0
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | head -n 1) ||
        true
    echo "Making Debian $release for $1, once"
    mkdir -p "$DEBIANS"
    # Nothing but main: other parts are out of step on some mirrors.
    mmdebstrap --variant=apt --format=tar --architectures="$1" --include="$packages" "$release" "$made" \
        ${mirror:+"deb $mirror $release main"} >"$DEBIANS/$1.log" 2>&1 || {
        tail -n 5 "$DEBIANS/$1.log" >&2
        fail 69 "Debian $release for $1 cannot be made"
    }
    # Last: it says that the rest is there.
    echo "$release $packages" >"$made.of"
}

# A new folder with that Debian in "root": unpack_debian ARCHITECTURE. Not in /tmp, where device files may be of no use.
unpack_debian() {
    local folder
    folder=$(mktemp -d -p "$(realpath "$DEBIANS")")
    mkdir "$folder/root"
    tar -x -C "$folder/root" -f "$DEBIANS/$1.tar"
    echo "$folder"
}

# Runs the shell script in stdin inside the folder $root, without a network, and adds what it says to the file $log:
# in_root OPTION-OF-UNSHARE... What it mounts goes with it.
in_root() {
    unshare --mount --net "$@" sh -ec '
        mount -t proc proc "$0/proc"
        mount --bind /dev/pts "$0/dev/pts"
        exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -e' \
        "$root" >>"$log" 2>&1
}

# As whoever makes an image does: no init runs.
on_chroot() { in_root; }
