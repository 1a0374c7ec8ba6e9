SUMMARY = "MQTT to Amazon Data Firehose"
DESCRIPTION = "Takes MQTT publishes, holds them inside a memory budget and sends them to Amazon Data Firehose: the \
Kinesis Firehose connector of AWS IoT Greengrass V1, without Greengrass."
HOMEPAGE = "https://github.com/firehose-connector/firehose-connector"
BUGTRACKER = "https://github.com/firehose-connector/firehose-connector/issues"
SECTION = "network"
# Of the program and of the crates linked into it.
LICENSE = "Apache-2.0 & BSD-3-Clause & ISC & MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

# The checkout that holds this layer, at its commit: recipe, crates and sources cannot differ.
FIREHOSE_CONNECTOR_CHECKOUT = "${@os.path.realpath(d.getVar('FILE_DIRNAME') + '/../../../..')}"
FIREHOSE_CONNECTOR_GIT ?= "git://${FIREHOSE_CONNECTOR_CHECKOUT};protocol=file;nobranch=1;usehead=1"
SRC_URI = "${FIREHOSE_CONNECTOR_GIT};destsuffix=${BP}"
# nooelint: oelint.vars.autorev - the commit that is checked out, no moving branch
SRCREV ?= "${AUTOREV}"

# Written by scripts/yocto-crates. The task update_crates of OE-Core would add what tests/peer, never built here, needs.
require ${BPN}-crates.inc

inherit cargo ptest-cargo systemd update-rc.d useradd

# Packaging strips the program after it has kept the symbols.
export CARGO_PROFILE_RELEASE_STRIP = "none"

SYSTEMD_SERVICE:${PN} = "firehose-connector.service"
INITSCRIPT_NAME = "firehose-connector"
INITSCRIPT_PARAMS = "defaults 90 10"

USERADD_PACKAGES = "${PN}"
USERADD_PARAM:${PN} = "--system --user-group --no-create-home --home-dir /nonexistent \
    --shell ${base_sbindir}/nologin firehose-connector"

do_install:append() {
    install -d ${D}${sysconfdir}/firehose-connector
    install -m 0640 ${S}/targets/service/environment ${D}${sysconfdir}/firehose-connector/environment
    chown root:firehose-connector ${D}${sysconfdir}/firehose-connector/environment
    install -m 0644 ${S}/targets/service/connectors.json.sample ${D}${sysconfdir}/firehose-connector/connectors.json.sample

    # For the spool, should it be switched on.
    install -d -m 0700 ${D}${localstatedir}/lib/firehose-connector
    chown firehose-connector:firehose-connector ${D}${localstatedir}/lib/firehose-connector

    if ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'true', 'false', d)}; then
        install -D -m 0644 ${S}/targets/service/firehose-connector.service \
            ${D}${systemd_system_unitdir}/firehose-connector.service
    fi
    if ${@bb.utils.contains('DISTRO_FEATURES', 'sysvinit', 'true', 'false', d)}; then
        install -D -m 0755 ${S}/targets/service/firehose-connector.init ${D}${sysconfdir}/init.d/firehose-connector
    fi
}

CONFFILES:${PN} = "${sysconfdir}/firehose-connector/environment"

# Tests go into a folder of their own: built beside the program, they would build it anew with their features.
CARGO_BUILD_FLAGS:append:task-compile-ptest-cargo = " --target-dir ${B}/ptest --config profile.release.lto=false"
# C code in what builds the tests is for the machine that builds: do_compile says so by itself, the task of the tests not.
export HOST_CC = "${BUILD_CC}"
export HOST_CFLAGS = "${BUILD_CFLAGS}"

# What a device can run: other tests read the sources or start the program from the build folder.
do_install_ptest() {
    sed -i -n -E '/\/(allocations|firehose_connector|relay_[a-z]+|request_golden)-[0-9a-f]+$/p' ${CARGO_TEST_BINARIES_FILES}
}
