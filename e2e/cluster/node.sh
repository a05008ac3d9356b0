# First process of a node, in new mount, pid, uts and network namespaces. Arguments: DIR NAME PAUSE.
# What the kubelet, containerd and the CNI plugins keep under /run, /var/lib and /var/log becomes the
# node's own, so nodes do not disturb each other, and all mounts end with the node.
set -eu
dir=$1 name=$2 pause=$3
hostname "$name"
mount -t tmpfs tmpfs /run
mount --bind "$dir/var-log" /var/log
mount --bind "$dir/var-lib" /var/lib
mount --make-rshared / # volumes with mountPropagation need a shared tree
sysctl -qw net.ipv4.ip_forward=1
ip link set lo up
exec "$pause" "$dir"
