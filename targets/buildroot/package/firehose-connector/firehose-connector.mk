################################################################################
#
# firehose-connector
#
################################################################################

FIREHOSE_CONNECTOR_VERSION = 0.2.0
FIREHOSE_CONNECTOR_SITE = https://github.com/firehose-connector/firehose-connector/releases/download/v$(FIREHOSE_CONNECTOR_VERSION)
FIREHOSE_CONNECTOR_LICENSE = Apache-2.0, BSD-3-Clause, ISC, MIT
FIREHOSE_CONNECTOR_LICENSE_FILES = LICENSE

ifeq ($(BR2_aarch64),y)
FIREHOSE_CONNECTOR_TARGET = aarch64-unknown-linux-musl
else ifeq ($(BR2_x86_64),y)
FIREHOSE_CONNECTOR_TARGET = x86_64-unknown-linux-musl
else ifeq ($(BR2_arm1176jzf_s),y)
FIREHOSE_CONNECTOR_TARGET = arm-unknown-linux-musleabihf
else
FIREHOSE_CONNECTOR_TARGET = armv7-unknown-linux-musleabihf
endif

# The sources bring the service, this the program. It is static, and nothing is compiled.
FIREHOSE_CONNECTOR_PROGRAM = firehose-connector-$(FIREHOSE_CONNECTOR_VERSION)-$(FIREHOSE_CONNECTOR_TARGET)
FIREHOSE_CONNECTOR_EXTRA_DOWNLOADS = $(FIREHOSE_CONNECTOR_PROGRAM)
FIREHOSE_CONNECTOR_ADD_TOOLCHAIN_DEPENDENCY = NO

define FIREHOSE_CONNECTOR_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(FIREHOSE_CONNECTOR_DL_DIR)/$(FIREHOSE_CONNECTOR_PROGRAM) \
		$(TARGET_DIR)/usr/bin/firehose-connector
	$(INSTALL) -D -m 0640 $(@D)/targets/service/environment \
		$(TARGET_DIR)/etc/firehose-connector/environment
	$(INSTALL) -D -m 0644 $(@D)/targets/service/connectors.json.sample \
		$(TARGET_DIR)/etc/firehose-connector/connectors.json.sample
endef

define FIREHOSE_CONNECTOR_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/targets/service/firehose-connector.init \
		$(TARGET_DIR)/etc/init.d/S80firehose-connector
endef

define FIREHOSE_CONNECTOR_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/targets/service/firehose-connector.service \
		$(TARGET_DIR)/usr/lib/systemd/system/firehose-connector.service
endef

define FIREHOSE_CONNECTOR_USERS
	firehose-connector -1 firehose-connector -1 * - - - MQTT to Amazon Data Firehose
endef

# The folder is for the spool, should it be switched on.
define FIREHOSE_CONNECTOR_PERMISSIONS
	/etc/firehose-connector/environment f 0640 root firehose-connector - - - - -
	/var/lib/firehose-connector d 0700 firehose-connector firehose-connector - - - - -
endef

$(eval $(generic-package))
