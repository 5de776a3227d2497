
kind=$1 new=$base/.new

seal() {
    if [ -n "$recipients" ]; then age --encrypt --recipients-file "$recipients"; else cat; fi
}
suffix=${recipients:+.age}

[ "$kind" != cold ] || pause

# Whatever was begun and not completed is none.
chmod 0700 "$base"
rm -rf "$new" "$base/.old"
mkdir "$new"

# One session holds the state that the dump, the tables and the extensions are all of.
coproc session { ask --dbname="$database"; }
echo "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_export_snapshot();" >&"${session[1]}"
read -r snapshot <&"${session[0]}"
as_owner pg_dump --format=custom --no-owner --no-acl --schema=public --snapshot="$snapshot" "$database" |
    seal >"$new/database.dump$suffix"
rows "$database" "$snapshot" | seal >"$new/rows$suffix"
ask --dbname="$database" --command="SELECT format('CREATE EXTENSION IF NOT EXISTS %I;', extname) FROM pg_extension \
    WHERE extname <> 'plpgsql' ORDER BY extname" | seal >"$new/extensions.sql$suffix"
printf '%s\n' '\q' >&"${session[1]}"

# After the database, since Odoo adds a file before a row names it. What Odoo deletes meanwhile is no error (24, 1).
# The folder is the owner's, who may put anything in its place: the owner reads it, and root only what comes of that.
if [ -n "$recipients" ]; then
    { as_owner tar --create --directory="$store" --owner=0 --group=0 . || [ $? = 1 ]; } | seal >"$new/filestore.tar.age"
else
    # The host is the word that the command has before the sender: the owner's `env`, which runs it here.
    rsync --archive --no-owner --no-group --delete --link-dest="$base/latest/filestore" \
        --secluded-args --rsh="setpriv --reuid=$owner --regid=$owner --clear-groups --" \
        "env:$store/" "$new/filestore/" || [ $? = 24 ]
    files "$new/filestore" >"$new/files"
fi

# It is one when all of it is on the disk.
name=$(date --utc +%Y-%m-%dT%H%M%SZ)-$kind
sync --file-system "$new"
mv --no-target-directory "$new" "$base/$name"
ln --symbolic --force --no-dereference "$name" "$base/.latest"
mv --no-target-directory "$base/.latest" "$base/latest"
sync --file-system "$base"
echo "complete: $base/$name"

# One that is being deleted is no backup any more.
mapfile -t old < <(find "$base" -mindepth 1 -maxdepth 1 -type d -name "2*-$kind" -printf '%f\n' | LC_ALL=C sort |
    head --lines="-$keep")
for name in "${old[@]}"; do
    mv --no-target-directory "$base/$name" "$base/.old"
    rm -rf "$base/.old"
done
