# The program as the project builds and releases it: static, so that neither Rust nor the C library of the image matter.
require firehose-connector.inc

# Whoever asks for the program gets it from here where it cannot be compiled, or where this recipe is preferred.
PROVIDES += "firehose-connector"

FIREHOSE_CONNECTOR_TARGET = ""
FIREHOSE_CONNECTOR_TARGET:aarch64 = "aarch64-unknown-linux-musl"
# Of ARMv6 there are CPUs without floating point.
FIREHOSE_CONNECTOR_TARGET:armv6 = "${@bb.utils.contains('TUNE_FEATURES', 'vfp', 'arm-unknown-linux-musleabihf', '', d)}"
FIREHOSE_CONNECTOR_TARGET:armv7a = "armv7-unknown-linux-musleabihf"
FIREHOSE_CONNECTOR_TARGET:armv7ve = "armv7-unknown-linux-musleabihf"
FIREHOSE_CONNECTOR_TARGET:x86-64 = "x86_64-unknown-linux-musl"
FIREHOSE_CONNECTOR_PROGRAM = "firehose-connector-${PV}-${FIREHOSE_CONNECTOR_TARGET}"

SRC_URI += "${FIREHOSE_CONNECTOR_RELEASE}/${FIREHOSE_CONNECTOR_PROGRAM};name=${FIREHOSE_CONNECTOR_TARGET};subdir=${BP}"

SKIP_RECIPE[firehose-connector-bin] = "${@'' if d.getVar('FIREHOSE_CONNECTOR_TARGET') else 'a release has no program for ${TUNE_PKGARCH}'}"

RPROVIDES:${PN} = "firehose-connector"
RREPLACES:${PN} = "firehose-connector"
RCONFLICTS:${PN} = "firehose-connector"

# It is linked and stripped already.
INHIBIT_DEFAULT_DEPS = "1"
INHIBIT_PACKAGE_DEBUG_SPLIT = "1"
INHIBIT_PACKAGE_STRIP = "1"
INHIBIT_SYSROOT_STRIP = "1"
# nooelint: oelint.vars.insaneskip - so it was released
INSANE_SKIP:${PN} = "already-stripped"
do_configure[noexec] = "1"
do_compile[noexec] = "1"

# BitBake keeps the folders of file:// where FIREHOSE_CONNECTOR_RELEASE is one.
do_install() {
    install -D -m 0755 "${S}/${@d.getVar('FIREHOSE_CONNECTOR_RELEASE').partition('file://')[2]}/${FIREHOSE_CONNECTOR_PROGRAM}" \
        ${D}${bindir}/firehose-connector
}
