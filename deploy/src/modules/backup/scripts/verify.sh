
scratch=odbox_verify
backup=$(readlink --canonicalize-existing "$base/latest")
trap 'as_admin dropdb --if-exists --force "$scratch"' EXIT
load "$backup" "$scratch"
if [ -e "$backup/filestore.tar.age" ]; then
    part "$backup/filestore.tar" | tar --list >/dev/null
else
    files "$backup/filestore" | diff "$backup/files" - >&2
    # Odoo calls a file by its SHA-1.
    cd "$backup/filestore"
    find . -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -printf '%f  %P\n' >/tmp/sums
    [ ! -s /tmp/sums ] || sha1sum --check --quiet --strict /tmp/sums >&2
fi
echo "verified: $backup"
