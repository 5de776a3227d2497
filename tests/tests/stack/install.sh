# shellcheck shell=sh
# Installs the rendered tree in /tree onto a machine that is off: a stand-in for `deploy apply`, until that is there.
# What that is going to do before it installs packages (users, and no cluster of Debian's own) is mended after them here.
manifest=/tree/manifest.json
rm -rf /etc/postgresql /var/lib/postgresql
jq --raw-output '.users | to_entries[] | "\(.key) \(.value)"' $manifest | while read -r name number; do
    [ "$(id -u "$name" 2>/dev/null || echo "$number")" = "$number" ] || userdel "$name"
done

cp --recursive --no-dereference --remove-destination /tree/root/. /
systemd-sysusers
jq --raw-output '.files | to_entries[] | select(.value.kind != "link")
    | "\(.value.mode) \(.value.owner):\(.value.group) \(.key)"' $manifest | while read -r mode owner path; do
    chown "$owner" "$path"
    chmod "$mode" "$path"
done
install --mode=0755 /programs/vaultd /programs/vaultgen /usr/local/bin

# A container has neither swap nor a device mapper to encrypt it.
ln --symbolic --force /dev/null /etc/systemd/system/dev-mapper-swap.swap
ln --symbolic --force /dev/null /etc/systemd/system/systemd-cryptsetup@swap.service
