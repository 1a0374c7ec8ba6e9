#!/bin/bash -e
# Installs the package in files/ that suits the image, and the settings that lie beside it.

packages=(files/firehose-connector*_"${ARCH}".deb)
if [ ${#packages[@]} -ne 1 ] || [ ! -f "${packages[0]}" ]; then
    echo "${PWD}/files must have one firehose-connector*_VERSION_${ARCH}.deb" >&2
    exit 1
fi

# Not /tmp, which is hidden in the chroot.
install -m 644 "${packages[0]}" "${ROOTFS_DIR}/var/tmp/firehose-connector.deb"
on_chroot <<'EOS'
apt-get install -y /var/tmp/firehose-connector.deb
rm /var/tmp/firehose-connector.deb
EOS

for file in environment connectors.json; do
    if [ -f "files/${file}" ]; then
        install -m 640 "files/${file}" "${ROOTFS_DIR}/etc/firehose-connector/${file}"
        on_chroot <<EOS
chgrp firehose-connector "/etc/firehose-connector/${file}"
EOS
    fi
done
