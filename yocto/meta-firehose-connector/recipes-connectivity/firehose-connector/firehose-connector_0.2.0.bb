# The program, compiled from source.
require firehose-connector.inc

# For who works on the program: a git repository instead of the sources of the release.
FIREHOSE_CONNECTOR_SOURCES = "${@'${FIREHOSE_CONNECTOR_GIT};destsuffix=${BP}' if d.getVar('FIREHOSE_CONNECTOR_GIT') else '${FIREHOSE_CONNECTOR_ARCHIVE}'}"

# Written by scripts/yocto-crates. The task update_crates of OE-Core would add what tests/peer, never built here, needs.
require ${BPN}-crates.inc

inherit cargo
# nooelint: oelint.var.inherit.inherit_defer - Yocto 4.0 has neither that nor this class
inherit ${@'ptest-cargo' if bb.utils.which(d.getVar('BBPATH'), 'classes-recipe/ptest-cargo.bbclass') else ''}

# The rust-version of Cargo.toml. The recipe takes itself away where Rust is older, and firehose-connector-bin stands in.
FIREHOSE_CONNECTOR_RUST = "1.94.1"
SKIP_RECIPE[firehose-connector] = "${@firehose_connector_old_rust(d)}"

def firehose_connector_old_rust(d):
    least = d.getVar('FIREHOSE_CONNECTOR_RUST')
    rust = (d.getVar('RUSTVERSION') or '').rstrip('%')
    if not rust or bb.utils.vercmp_string_op(rust, least, '>='):
        return ''
    return f'it needs Rust {least} and this is {rust}: take firehose-connector-bin, or a layer with a newer Rust'

# Packaging strips the program after it has kept the symbols.
export CARGO_PROFILE_RELEASE_STRIP = "none"

# Tests go into a folder of their own: built beside the program, they would build it anew with their features.
CARGO_BUILD_FLAGS:append:task-compile-ptest-cargo = " --target-dir ${B}/ptest --config profile.release.lto=false"
# C code in what builds the tests is for the machine that builds: do_compile says so by itself, the task of the tests not.
export HOST_CC = "${BUILD_CC}"
export HOST_CFLAGS = "${BUILD_CFLAGS}"

# What a device can run: other tests read the sources or start the program from the build folder.
do_install_ptest() {
    sed -i -n -E '/\/(allocations|firehose_connector|relay_[a-z]+|request_golden)-[0-9a-f]+$/p' ${CARGO_TEST_BINARIES_FILES}
}
