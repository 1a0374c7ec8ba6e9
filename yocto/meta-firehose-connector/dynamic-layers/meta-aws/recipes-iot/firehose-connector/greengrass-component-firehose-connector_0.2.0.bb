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
SRCREV = "${@d.getVar('SRCREV:pn-firehose-connector') or 'INVALID'}"
FIREHOSE_CONNECTOR_SOURCES = "${@'${FIREHOSE_CONNECTOR_GIT};destsuffix=${BP}' if d.getVar('FIREHOSE_CONNECTOR_GIT') else '${FIREHOSE_CONNECTOR_ARCHIVE}'}"

# What greengrass-lite-component.bbclass of meta-aws asks for.
# nooelint: oelint.vars.mispell.unknown - meta-aws knows it
GREENGRASS_VARIANT = "lite"
COMPONENT_NAME = "org.firehoseconnector.FirehoseConnector"
COMPONENT_VERSION = "${PV}"

# Not with every branch of meta-aws: that for kirkstone has no nucleus lite.
# nooelint: oelint.vars.mispell.unknown - a name of this recipe's own
COMPONENT_CLASS = "${@'greengrass-lite-component' if bb.utils.which(d.getVar('BBPATH'), 'classes/greengrass-lite-component.bbclass') else ''}"
# nooelint: oelint.var.improperinherit,oelint.var.inherit.inherit_defer - the one above, or none; kirkstone knows no other way
inherit ${COMPONENT_CLASS}
# nooelint: oelint.task.noanonpython - nothing else can take a recipe away
python () {
    if not d.getVar('COMPONENT_CLASS'):
        raise bb.parse.SkipRecipe('this meta-aws has no class greengrass-lite-component')
    # Before Yocto 5.1 there was no folder for what is unpacked.
    if not d.getVar('UNPACKDIR'):
        d.setVar('UNPACKDIR', d.getVar('WORKDIR'))
}

# Where records go that name no delivery stream. Without it the component cannot start before a deployment brings one.
# nooelint: oelint.vars.mispell.unknown - a name of this layer's own
FIREHOSE_CONNECTOR_DELIVERY_STREAM_ARN ?= ""

# Drop-ins for units of nucleus lite.
FILES:${PN} += "${systemd_system_unitdir}"

RDEPENDS:${PN} = "firehose-connector greengrass-lite"

# The names of architectures in a component's recipe.
COMPONENT_ARCHITECTURE = "${TARGET_ARCH}"
COMPONENT_ARCHITECTURE:x86-64 = "amd64"

do_configure[noexec] = "1"

do_compile() {
    [ -n "${FIREHOSE_CONNECTOR_DELIVERY_STREAM_ARN}" ] ||
        bbwarn "FIREHOSE_CONNECTOR_DELIVERY_STREAM_ARN is not set: the deployment at the first boot will fail"
    sed -e 's/{COMPONENT_NAME}/${COMPONENT_NAME}/' -e 's/{COMPONENT_VERSION}/${COMPONENT_VERSION}/' \
        -e 's|DEFAULT_DELIVERY_STREAM_ARN: ""|DEFAULT_DELIVERY_STREAM_ARN: "${FIREHOSE_CONNECTOR_DELIVERY_STREAM_ARN}"|' \
        ${S}/targets/greengrass/recipe.yaml >${UNPACKDIR}/component-recipe.yaml
}

do_install:append() {
    ln -s ${bindir}/firehose-connector \
        ${D}${GGL_ARTIFACTS_DIR}/${COMPONENT_NAME}/${COMPONENT_VERSION}/firehose-connector-${COMPONENT_ARCHITECTURE}
    install -D -m 0644 ${S}/targets/greengrass/systemd/ggl.core.tesd.service.d/firehose-connector.conf \
        ${D}${systemd_system_unitdir}/ggl.core.tesd.service.d/firehose-connector.conf
    install -D -m 0644 ${S}/targets/greengrass/systemd/ggl.aws.greengrass.TokenExchangeService.service.d/firehose-connector.conf \
        ${D}${systemd_system_unitdir}/ggl.aws.greengrass.TokenExchangeService.service.d/firehose-connector.conf
    install -D -m 0644 ${S}/targets/greengrass/systemd/ggl.${COMPONENT_NAME}.service.d/firehose-connector.conf \
        ${D}${systemd_system_unitdir}/ggl.${COMPONENT_NAME}.service.d/firehose-connector.conf
}
