SUMMARY = "firehose-connector as a component of AWS IoT Greengrass nucleus lite"
DESCRIPTION = "Recipe and artefact of the component, where nucleus lite deploys them from at the first boot. The program is that of \
the package firehose-connector."
HOMEPAGE = "https://github.com/firehose-connector/firehose-connector"
BUGTRACKER = "https://github.com/firehose-connector/firehose-connector/issues"
SECTION = "network"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

# The sources of the release or of the checkout, as for the program.
require recipes-connectivity/firehose-connector/firehose-connector-sources.inc
FIREHOSE_CONNECTOR_SOURCES = "${@'${FIREHOSE_CONNECTOR_GIT};destsuffix=${BP}' if d.getVar('FIREHOSE_CONNECTOR_GIT') else '${FIREHOSE_CONNECTOR_ARCHIVE}'}"

# What greengrass-lite-component.bbclass of meta-aws asks for.
# nooelint: oelint.vars.mispell.unknown - meta-aws knows it
GREENGRASS_VARIANT = "lite"
COMPONENT_NAME = "org.firehoseconnector.FirehoseConnector"
COMPONENT_VERSION = "${PV}"

inherit greengrass-lite-component

RDEPENDS:${PN} = "firehose-connector greengrass-lite"

# The names of architectures in a component's recipe.
COMPONENT_ARCHITECTURE = "${TARGET_ARCH}"
COMPONENT_ARCHITECTURE:x86-64 = "amd64"

do_configure[noexec] = "1"

do_compile() {
    sed -e 's/{COMPONENT_NAME}/${COMPONENT_NAME}/' -e 's/{COMPONENT_VERSION}/${COMPONENT_VERSION}/' \
        ${S}/targets/greengrass/recipe.yaml >${UNPACKDIR}/component-recipe.yaml
}

do_install:append() {
    ln -s ${bindir}/firehose-connector \
        ${D}${GGL_ARTIFACTS_DIR}/${COMPONENT_NAME}/${COMPONENT_VERSION}/firehose-connector-${COMPONENT_ARCHITECTURE}
}
