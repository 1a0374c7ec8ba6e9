# The faults that `scripts/check-yocto --self-test` plants, which sources this in a copy of the project:
#   plant CHECK SED-SCRIPT FILE, lose CHECK FILE, add CHECK FILE
# shellcheck shell=bash
# shellcheck disable=SC2016,SC2154 # the scripts are for BitBake's and make's variables, and the names of folders are the caller's

binary=$(echo "$recipes"/firehose-connector-bin_*.bb)
component_recipe=$(echo "$component"/greengrass-component-firehose-connector_*.bb)
images=$layer/recipes-core/images
oeqa=$layer/lib/oeqa/runtime/cases/firehose_connector.py
package=targets/buildroot/package/firehose-connector

# --- of the form, and of what is said twice

plant style 's/^SECTION = /SECTION=/' "$common"
plant style 's/^SECTION = /SECTION=/' "$component_recipe"
plant series 's/= "kirkstone /= "kirkstone walnascar /' "$layer/conf/layer.conf"
plant series 's/= "kirkstone /= "/' "$layer/conf/layer.conf"
plant series 's/^| 5.0 | scarthgap |/| 5.0 | styhead |/' "$layer/README.md"
plant crates '/bytes/d' "$recipes/firehose-connector-crates.inc"
plant crates 's/^\(SRC_URI\[bytes-.*= "\)./\1x/' "$recipes/firehose-connector-crates.inc"
plant crates '1a SRC_URI += "crate://crates.io/left-over/1.0.0"' "$recipes/firehose-connector-crates.inc"
plant versions '0,/^version = /s/^version = .*/version = "99.0.0"/' Cargo.toml
plant versions 's/^rust-version = .*/rust-version = "99.0.0"/' Cargo.toml
plant sums '2s/"./"x/' "$recipes/firehose-connector-sums.inc"
plant sums '1s/[0-9]/9/' "$recipes/firehose-connector-sums.inc"
plant sums '/x86_64/d' "$recipes/firehose-connector-sums.inc"
plant machines '/TARGET:armv6 /d' "$binary"
plant greengrass '/^BBFILES_DYNAMIC/d' "$layer/conf/layer.conf"
plant greengrass 's/org.firehoseconnector/org.example/' targets/greengrass/gdk-config.json
plant greengrass '/^require/d' "$component_recipe"
plant greengrass 's/ggl.org.firehose/ggl.org.fire/' targets/greengrass/systemd/ggl.aws.greengrass.TokenExchangeService.service.d/firehose-connector.conf
plant greengrass 's/STREAM_ARN: ""/STREAM_ARN: "none"/' targets/greengrass/recipe.yaml
plant greengrass 's/"{COMPONENT_VERSION}"/"1.0.0"/' targets/greengrass/recipe.yaml
plant greengrass 's/md5=./md5=x/' "$component_recipe"
plant licence_text '1s/$/ /' LICENSE
plant licence_text '1s/$/ /' "$layer/LICENSE"
plant licences 's/^\(LICENSE = .*\) & ISC/\1/' "$common"
plant licences 's/^\(LICENSE = .*\) & ISC/\1 \& ISC \& Zlib/' "$common"

# --- of what the files of the Yocto layer name

plant "yocto layer" 's#recipes-\*/\*/\*\.bb #recipe-*/*/*.bb #' "$layer/conf/layer.conf"
plant "yocto layer" 's#"meta-aws:#"meta-iot:#' "$layer/conf/layer.conf"
plant "yocto layer" 's/^BBFILE_PRIORITY_[a-z-]*/BBFILE_PRIORITY_connector/' "$layer/conf/layer.conf"
plant "yocto layer" 's/^\(PREFERRED_PROVIDER_.* "\)/\1the-/' "$layer/conf/layer.conf"
plant "yocto layer" 's/pn-greengrass-component/pn-component/' "$layer/conf/firehose-connector-checkout.inc"
plant "yocto layer" 's/^require firehose-connector.inc/require firehose-conector.inc/' "$binary"
plant "yocto layer" '/^PROVIDES/d' "$binary"
plant "yocto layer" '/^RREPLACES/d' "$binary"
lose "yocto layer" "$recipes/firehose-connector-sources.inc"
add "yocto layer" "$layer/dynamic-layers/meta-aws/recipes-iot/greengrass-lite/greengrass-lite_%.bbappend"
add "yocto layer" "$recipes/firehose_%.bbappend"
plant "yocto sources" 's#releases/download#release/downloads#' "$recipes/firehose-connector-sources.inc"
plant "yocto sources" 's#download/v#download/#' "$recipes/firehose-connector-sources.inc"
plant "yocto sources" 's#connector-${PV}.tar.gz#connector_${PV}.tar.gz#' "$recipes/firehose-connector-sources.inc"
plant "yocto sources" '/^HOMEPAGE/s#"$#s"#' "$common"
plant "yocto sources" '/^HOMEPAGE/s#"$#s"#' "$component_recipe"
plant "yocto sources" '/^repository/s#"$#s"#' Cargo.toml
plant "yocto sources" 's#connector-${PV}-\$#connector_${PV}-$#' "$binary"
plant "yocto sources" 's/;name=${FIREHOSE_CONNECTOR_TARGET}/;name=program/' "$binary"
plant "yocto sources" '/^SRC_URI/s#"$# file://fix.patch"#' "$binary"
plant "yocto sources" 's#clone https://github.com/[a-z-]*#clone https://github.com/example#' "$layer/README.md"
plant "yocto sources" 's#https://github.com/[a-z-]*#https://github.com/example#' "$package/Config.in"
plant "yocto sources" 's#releases/download/\.#release/download/.#' "$layer/README.md"
plant "yocto files" 's#service/firehose-connector.init #service/firehose-connector.initd #' "$common"
plant "yocto files" 's#service/firehose-connector.service #service/firehose-connectr.service #' "$common"
plant "yocto files" 's#greengrass/recipe.yaml#greengrass/recipes.yaml#' "$component_recipe"
plant "yocto files" 's#{UNPACKDIR}/component-recipe.yaml#{UNPACKDIR}/x; cat ${UNPACKDIR}/recipe.yaml#' \
    "$component_recipe"
plant "yocto files" 's#}/${FIREHOSE_CONNECTOR_PROGRAM}" #}/firehose-connector" #' "$binary"
plant "yocto files" 's#${bindir}/firehose-connector#${sbindir}/firehose-connector#' "$binary"
plant "yocto files" '/-m 0644 .*connectors.json.sample/d' "$common"
plant "yocto files" 's/^SYSTEMD_SERVICE.*/SYSTEMD_SERVICE:${PN} = "connector.service"/' "$common"
plant "yocto files" 's/^INITSCRIPT_NAME.*/INITSCRIPT_NAME = "connector"/' "$common"
plant "yocto files" 's/nologin firehose-connector"/nologin firehose"/' "$common"
plant "yocto files" 's/--user-group //' "$common"
plant "yocto files" 's/chown root:firehose-connector/chown root:firehose/' "$common"
plant "yocto files" 's/-d -m 0700/-d -m 0755/' "$common"
plant "yocto files" '/^CONFFILES/s#"$# ${sysconfdir}/firehose-connector/connectors.json"#' "$common"
plant "yocto files" '/^CONFFILES/d' "$common"
plant "yocto files" '$a FILES:${PN} += "${libdir}/firehose-connector/*"' "$common"
plant "yocto files" 's/^inherit systemd /inherit /' "$common"
plant "yocto files" 's/^\(inherit .*\) useradd/\1/' "$common"
plant "yocto files" 's/-D -m 0755 \(.*.init \)/-D -m 0644 \1/' "$common"
plant "yocto files" '/^do_install() {/,/^}/d' "$binary"
plant "yocto files" 's/|request_golden)/|request_silver)/' "$recipes"/firehose-connector_*.bb
lose "yocto files" targets/service/firehose-connector.service
plant "yocto files" 's/^inherit cargo$//' "$recipes"/firehose-connector_*.bb
plant "yocto files" 's/"amd64"/"x64"/' "$component_recipe"
lose "yocto files" targets/greengrass/recipe.yaml
lose "yocto image" "$images/firehose-connector-image.wks"
lose "yocto image" "$images/firehose-connector-image.raspberrypi.wks"
plant "yocto image" 's/image.raspberrypi.wks/image.raspberry.wks/' yocto/raspberrypi.kas.yml
add "yocto image" "$images/firehose-connector-image.intel.wks"
plant "yocto image" '/^part \/data/d' "$images/firehose-connector-image.wks"
plant "yocto image" '/^IMAGE_FSTYPES/a WKS_FILE = "gateway.wks"' "$images/firehose-connector-image.bb"
plant "yocto image" 's/^ROOTFS_POSTPROCESS_COMMAND += "f/&ire/' "$images/firehose-connector-image.bb"
plant "yocto image" 's#/firehose-connector/environment$#/firehose-connector/settings#' "$images/firehose-connector-image.bb"
plant "yocto image" 's/AWS_SHARED_/AWS_/' "$images/firehose-connector-image.bb"
plant "yocto image" '/^inherit/d' "$images/firehose-connector-image.bb"
plant "yocto image" 's/connector.service.d/connectr.service.d/' "$images/firehose-connector-image.bb"
plant "yocto image" 's/util-linux-mount firehose-connector /util-linux-mount firehose-conector /' "$images/firehose-connector-image.bb"
plant "yocto image" 's/^class Broker(.*/class Broker/' "$oeqa"
plant "yocto image" 's#^ENVIRONMENT = .*#ENVIRONMENT = "/etc/firehose/environment"#' "$oeqa"
plant "yocto image" 's/"firehose-connector-bin"\]/"firehose-bin"]/' "$oeqa"
plant "yocto kas" 's/^header:/header/' yocto/test.kas.yml
plant "yocto kas" 's/^machine:/machines:/' yocto/firehose-connector.kas.yml
plant "yocto kas" 's/^machine: qemu/machine: quemu/' yocto/firehose-connector.kas.yml
plant "yocto kas" 's/^machine: raspberrypi/machine: rasberrypi/' yocto/raspberrypi.kas.yml
plant "yocto kas" 's/MACHINE=raspberrypi/MACHINE=rasberrypi/' yocto/raspberrypi.kas.yml
plant "yocto kas" 's/^target: firehose-connector/target: firehose/' yocto/firehose-connector.kas.yml
plant "yocto kas" 's#yocto/meta-firehose-connector:#yocto/meta-firehose:#' yocto/firehose-connector.kas.yml
plant "yocto kas" 's#- yocto/firehose-connector.kas.yml#- yocto/firehose.kas.yml#' yocto/test.kas.yml
plant "yocto kas" 's/version: [0-9]*/version: 1/' yocto/test.kas.yml
plant "yocto kas" 's/branch: .*/branch: scarthgap/' yocto/raspberrypi.kas.yml
plant "yocto kas" '0,/tag: yocto-.*/s//tag: yocto-5.0.2/' yocto/firehose-connector.kas.yml
plant "yocto kas" 's/^  meta-raspberrypi:/  openembedded-core:/' yocto/raspberrypi.kas.yml
plant "yocto kas" '/^    commit:/d' yocto/raspberrypi.kas.yml
plant "yocto kas" 's/^  raspberrypi: |/  firehose-connector: |/' yocto/raspberrypi.kas.yml
plant "yocto kas" 's/firehose-connector-checkout.inc/checkout.inc/' yocto/firehose-connector.kas.yml
plant "yocto kas" 's/firehose_connector"/firehose"/' yocto/test.kas.yml
plant "yocto kas" 's#kas build yocto/raspberrypi.kas.yml#kas build yocto/pi.kas.yml#' "$layer/README.md"
lose "yocto kas" "$oeqa"
lose "yocto kas" yocto/firehose-connector.kas.yml
lose "yocto service" targets/service/firehose-connector.service
lose "yocto service" targets/service/environment
plant "yocto service" 's/^u firehose-connector/u firehose/' targets/service/firehose-connector.sysusers
plant "yocto service" 's/^Group=.*/Group=daemon/' targets/service/firehose-connector.service
plant "yocto service" 's/^name=.*/name=firehose/' targets/service/firehose-connector.init
plant "yocto service" 's#^state=.*#state=$root/var/spool/$name#' targets/service/firehose-connector.init
plant "yocto service" 's/-o firehose-connector/-o firehose/' targets/debian/postinst
plant "yocto service" 's/chgrp firehose-connector/chgrp firehose/' targets/debian/postinst
plant "yocto service" 's/systemd-sysusers firehose-connector.conf/systemd-sysusers firehose.conf/' targets/debian/postinst
plant "yocto service" 's#"targets/service/environment"#"targets/service/environ"#' Cargo.toml
plant "yocto service" '/firehose-connector.init"/s/755/644/' Cargo.toml
plant "yocto service" 's#"etc/init.d/firehose-connector"#"etc/init.d/connector"#' Cargo.toml

# --- of the Buildroot tree

plant "buildroot release" 's/_VERSION = .*/_VERSION = 99.0.0/' "$package/firehose-connector.mk"
plant "buildroot release" 's/= x86_64-.*/= x86-unknown-linux-musl/' "$package/firehose-connector.mk"
plant "buildroot release" 's#releases/download#release/downloads#' "$package/firehose-connector.mk"
plant "buildroot release" 's#github.com/firehose-connector#github.com/firehose#' "$package/firehose-connector.mk"
plant "buildroot release" '/EXTRA_DOWNLOADS/d' "$package/firehose-connector.mk"
plant "buildroot release" '/_SITE/a FIREHOSE_CONNECTOR_SOURCE = connector-$(FIREHOSE_CONNECTOR_VERSION).tar.gz' "$package/firehose-connector.mk"
plant "buildroot release" '/_LICENSE = /s/, ISC//' "$package/firehose-connector.mk"
plant "buildroot release" 's/_FILES = LICENSE/_FILES = COPYING/' "$package/firehose-connector.mk"
plant "buildroot release" '/tar.gz/s/  ./  x/' "$package/firehose-connector.hash"
lose "buildroot release" "$package/firehose-connector.hash"
plant "buildroot release" '/armv7/d' "$package/firehose-connector.hash"
plant "buildroot release" '/LICENSE/s/  ./  x/' "$package/firehose-connector.hash"
plant "buildroot release" 's/^\(SRC_URI\[arm-.*= "\)./\1x/' "$recipes/firehose-connector-sums.inc"
plant "buildroot files" 's#service/environment #service/environ #' "$package/firehose-connector.mk"
plant "buildroot files" 's#service/firehose-connector.init #service/firehose-connector.sysusers #' "$package/firehose-connector.mk"
plant "buildroot files" 's#etc/init.d/S80#etc/rc.d/S80#' "$package/firehose-connector.mk"
plant "buildroot files" '/connector.init /s/0755/0644/' "$package/firehose-connector.mk"
plant "buildroot files" 's#usr/bin/#usr/sbin/#' "$package/firehose-connector.mk"
plant "buildroot files" 's#DL_DIR)/$(FIREHOSE_CONNECTOR_PROGRAM)#DL_DIR)/firehose-connector#' "$package/firehose-connector.mk"
plant "buildroot files" 's/^\tfirehose-connector -1/\tfirehose -1/' "$package/firehose-connector.mk"
plant "buildroot files" '/^\tfirehose-connector -1/d' "$package/firehose-connector.mk"
plant "buildroot files" '/^\t.etc.firehose-connector.environment f/d' "$package/firehose-connector.mk"
plant "buildroot files" '/^\t.var.lib.firehose-connector d/d' "$package/firehose-connector.mk"
plant "buildroot files" 's/environment f 0640 root/environment f 0644 root/' "$package/firehose-connector.mk"
plant "buildroot files" 's/ d 0700 firehose-connector/ d 0700 root/' "$package/firehose-connector.mk"
lose "buildroot files" targets/service/firehose-connector.init
plant "buildroot menu" 's/^config BR2_PACKAGE_FIREHOSE_CONNECTOR$/confg BR2_PACKAGE_FIREHOSE_CONNECTOR/' "$package/Config.in"
plant "buildroot menu" 's/^config BR2_PACKAGE_FIREHOSE_CONNECTOR$/&S/' "$package/Config.in"
plant "buildroot menu" 's/depends on/depend on/' "$package/Config.in"
plant "buildroot menu" 's/depends on/depends/' "$package/Config.in"
plant "buildroot menu" '/depends on/d' "$package/Config.in"
plant "buildroot menu" 's/depends on .*_ARCH/&S/' "$package/Config.in"
plant "buildroot menu" '/depends on/a if BR2_USE_MMU' "$package/Config.in"
plant "buildroot menu" '/default y if BR2_x86_64/d' "$package/Config.in"
plant "buildroot menu" '/default y if BR2_x86_64/a \\tdefault y if BR2_riscv' "$package/Config.in"
plant "buildroot menu" '$a config BR2_PACKAGE_FIREHOSE_CONNECTOR_SPOOL\n\tbool "spool"' "$package/Config.in"
plant "buildroot menu" 's/BR2_x86_64/BR2_x86/' "$package/firehose-connector.mk"
plant "buildroot menu" 's/^else$/else ifeq ($(BR2_PACKAGE_FIREHOSE_CONNECTOR_SMALL),y)/' "$package/firehose-connector.mk"
plant "buildroot names" 's/_PERMISSIONS/_PERMISIONS/' "$package/firehose-connector.mk"
plant "buildroot names" 's/INSTALL_INIT_SYSV/INSTALL_INIT_SYSVINIT/' "$package/firehose-connector.mk"
plant "buildroot names" 's/)-$(FIREHOSE_CONNECTOR_TARGET)/)-$(FIREHOSE_CONNECTOR_TRIPLE)/' "$package/firehose-connector.mk"
plant "buildroot names" '0,/^endef/{/^endef/d}' "$package/firehose-connector.mk"
plant "buildroot names" '/generic-package/d' "$package/firehose-connector.mk"
plant "buildroot names" 's/^name: .*/name: CONNECTOR/' targets/buildroot/external.desc
plant "buildroot names" 's#package/firehose-connector#package/connector#' targets/buildroot/Config.in
plant "buildroot names" '/^source/d' targets/buildroot/Config.in
plant "buildroot names" 's#package/\*/\*.mk#packages/*/*.mk#' targets/buildroot/external.mk
