#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A host whose first process is systemd, in the namespaces that it is started in: its files are this machine's, and what
# it changes of them is gone with it. For tests/lab/test_systemd_units_in_the_lab.py.
#   systemd_host.sh FOLDER REPOSITORY TOPOLOGY
set -eu
folder=$1 repository=$2 topology=$3

mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/host"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/host"
cd "$folder/host"

# Nothing is started but what is asked for: this machine's services are not ours, nor its file systems, nor the kernel's
# settings. Debian's openvswitch-switch.service.requires would bring a second ovsdb-server beside that from below.
rm -rf etc/systemd/system/*.wants etc/systemd/system/*.requires lib/systemd/system/*.target.wants etc/fstab
mkdir lib/systemd/system/sysinit.target.wants
ln -s ../systemd-journald.service ../systemd-journald.socket lib/systemd/system/sysinit.target.wants
cp "$repository"/deploy/systemd/*.service etc/systemd/system
# In the place of Debian's, whose start asks for the kernel's datapath.
cat >etc/systemd/system/openvswitch-switch.service <<'END'
[Service]
Type=oneshot
RemainAfterExit=yes
RuntimeDirectory=openvswitch
ExecStart=ovsdb-tool create /run/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ExecStart=ovsdb-server /run/openvswitch/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile --detach
ExecStart=ovs-vsctl --no-wait init
ExecStart=ovs-vswitchd --pidfile --detach --disable-system --disable-system-route
END
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p etc/castover opt/castover
cp "$topology" etc/castover/topology.yaml
mount --bind "$repository" opt/castover
environment=$(readlink -f "$repository/.venv")
mkdir -p ".$environment"
mount --bind "$environment" ".$environment"

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
# Devices of its own: systemd would make files among this machine's, and set up its console.
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/net
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty net/tun; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done

ip link set lo up
for address in fd00:ca57::1 fd00:ca57::11; do ip -6 addr add "$address/64" dev lo nodad; done
for number in 1 2; do
    ip link add "mag1-eth$number" type veth peer name "other-eth$number"
    ip link set "other-eth$number" up
done

mkdir -p .former
pivot_root . .former
umount -l /.former
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=other \
    /lib/systemd/systemd --unit=basic.target --log-target=null --show-status=false </dev/null
