# What the other scripts install with; sourced by them, after they went to the project's root. Everything is idempotent,
# lands in .cache or in Debian's places, and fails with a sentence.
# shellcheck shell=bash

# Debian keeps daemons where only root looks.
PATH=$PATH:/usr/sbin:/sbin

# shellcheck disable=SC2034 # for those who source this
VENV=.cache/venv
TOOLS=$PWD/.cache/tools

# Ends the script: fail STATUS SENTENCE, with a status of sysexits.
fail() {
    echo "${0##*/}: $2" >&2
    exit "$1"
}

# Where a script is asked for help, that is the comment at its head: explain "$@"
explain() {
    case ${1-} in
    -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "scripts/${0##*/}" && exit ;;
    esac
}

# Of the project.
version() { sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1; }

# Seconds since 1970: the time of the commit, so that the same sources give the same bytes; or what scripts/release says.
commit_time() {
    [ -z "${SOURCE_DATE_EPOCH-}" ] || { echo "$SOURCE_DATE_EPOCH" && return; }
    git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock
}

# The targets that static programs are built for.
static_targets() { sed -n 's/^\[target\.\(.*\)\.dockerfile\]$/\1/p' Cross.toml; }

# Where cargo puts what it builds for a target: built TARGET
built() { echo "${CARGO_TARGET_DIR:-target}/$1/release/firehose-connector"; }

# Sums of all that is in dist.
write_sums() { alone sums sum_up; }
sum_up() { (cd dist && rm -f SHA256SUMS* && sums=$(sha256sum -- *) && echo "$sums" >SHA256SUMS); }

# What tests and measurements run against. Optimised crate by crate: as a whole, like the program, takes minutes.
build_examples() {
    cargo build --release --locked --example firehose-standin --example load --example sandbox-probe --config 'profile.release.lto="off"' --config profile.release.codegen-units=16
}

need_cargo() {
    command -v cargo >/dev/null || fail 69 "cargo is missing; install Rust from https://rustup.rs and try again"
}

# Runs a command while no other script runs one under the same name: alone NAME COMMAND...
alone() {
    mkdir -p "$TOOLS"
    (
        flock 9
        "${@:2}" 9>&-
    ) 9>"$TOOLS/$1.lock"
}

# Runs a command as root, with sudo where that asks for no password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Whether packages may be installed. Whoever runs a script at a terminal is told what they take and asked, once; CI, and
# whatever has no terminal, is not. INSTALL_PACKAGES=yes answers beforehand.
may_install() {
    local answer
    if [ -n "${CI-}" ] || [ "${INSTALL_PACKAGES-}" = yes ] || ! [ -t 0 ] || ! [ -t 2 ]; then return 0; fi
    {
        echo "These Debian packages are missing: $*"
        LC_ALL=C as_root apt-get --assume-no --no-install-recommends install "$@" 2>&1 </dev/null |
            grep -E '^(Need to get|After this operation)|Unable to locate' || true
        printf 'Install them with apt-get? [y/N] '
    } >&2
    read -r answer || return 1
    case $answer in
    [yY] | [yY][eE][sS]) export INSTALL_PACKAGES=yes ;;
    *) return 1 ;;
    esac
}

# Installs Debian packages whose commands are missing: need_packages COMMAND:PACKAGE...
need_packages() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null || ! as_root true 2>/dev/null; then
        fail 69 "please install these packages: ${missing[*]}"
    fi
    may_install "${missing[@]}" || fail 69 "nothing was installed; please install these packages: ${missing[*]}"
    alone packages install_packages "${missing[@]}" || exit
}

install_packages() {
    echo "Installing $*"
    # Another package manager at work is waited for. No daemon is to start because a test needs its program.
    local apt=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -o DPkg::Lock::Timeout=300)
    if ! as_root "${apt[@]}" update ||
        ! as_root "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null; then
        fail 69 "these packages could not be installed: $*"
    fi
}

# A folder with the Python packages of a list: need_venv FOLDER REQUIREMENTS
need_venv() {
    cmp -s "$2" "$1/requirements.txt" && return 0
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        need_packages no-such-command:python3-venv
    fi
    rm -rf "$1" &&
        python3 -m venv "$1" &&
        "$1/bin/pip" install --quiet --disable-pip-version-check --no-compile -r "$2" &&
        cp "$2" "$1/requirements.txt"
}

# A tool that cargo compiles: need_tool CRATE VERSION [OPTION...]. Takes a minute or two, once.
need_tool() {
    alone "$1" compile_tool "$@"
}

compile_tool() {
    grep -qs "^\"$1 $2 " "$TOOLS/.crates.toml" && return 0
    echo "Compiling $1 $2"
    # Without the optimisation that they ask for: they run for seconds, and compiling them so takes minutes.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo install --quiet --locked --force --root "$TOOLS" "$1@$2" "${@:3}" >"$TOOLS/$1.log" 2>&1 && return 0
    cat "$TOOLS/$1.log" >&2
    return 1
}
