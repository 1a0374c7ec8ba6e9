SUMMARY = "Gateway image with firehose-connector"
DESCRIPTION = "Example: a read-only root file system, the same for all devices, and a data partition with what differs \
from device to device. Nobody can log in."
LICENSE = "Apache-2.0"

inherit core-image

# Busybox's mount does not know the labels of partitions.
IMAGE_INSTALL = "packagegroup-core-boot util-linux-mount firehose-connector ${CORE_IMAGE_EXTRA_INSTALL}"
IMAGE_FEATURES += "read-only-rootfs"
IMAGE_LINGUAS = ""

# Partitions: firehose-connector-image.wks beside this recipe, unless the machine brings its own.
IMAGE_FSTYPES += "wic"

# The settings stay in the image and name files on the data partition.
firehose_connector_on_data() {
    install -d ${IMAGE_ROOTFS}/data
    sed -i -e 's|=${sysconfdir}/firehose-connector/|=/data/firehose-connector/|' \
        -e 's|^#\(AWS_SHARED_CREDENTIALS_FILE=\)|\1|' ${IMAGE_ROOTFS}${sysconfdir}/firehose-connector/environment
    if ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'true', 'false', d)}; then
        install -d ${IMAGE_ROOTFS}${systemd_system_unitdir}/firehose-connector.service.d
        printf '[Unit]\nWantsMountsFor=/data\n' \
            >${IMAGE_ROOTFS}${systemd_system_unitdir}/firehose-connector.service.d/data.conf
    fi
}
# Yocto 4.0 wants the semicolon.
ROOTFS_POSTPROCESS_COMMAND += "firehose_connector_on_data; "
