
backup=$(readlink --canonicalize-existing "$base/${1:-latest}")
new=odbox_restore replaced=odbox_replaced
pause

# Killed between two moves, the last time.
as_owner test -e "$store" || as_owner mv --no-target-directory "$store.replaced" "$store"
as_owner rm -rf "$store.new" "$store.replaced"

load "$backup" "$new"
as_owner mkdir "$store.new"
if [ -e "$backup/filestore.tar.age" ]; then
    part "$backup/filestore.tar" | as_owner tar --extract --no-same-owner --directory="$store.new"
else
    tar --create --directory="$backup/filestore" . | as_owner tar --extract --no-same-owner --directory="$store.new"
fi

# Both take their places; until then everything was as before.
as_admin dropdb --if-exists --force "$replaced"
as_admin psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres --output=/dev/null <<SQL
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('$database', '$new');
BEGIN;
ALTER DATABASE "$database" RENAME TO "$replaced";
ALTER DATABASE "$new" RENAME TO "$database";
COMMIT;
SQL
as_owner mv --no-target-directory "$store" "$store.replaced"
as_owner mv --no-target-directory "$store.new" "$store"
as_admin dropdb --if-exists --force "$replaced"
as_owner rm -rf "$store.replaced"
# Who else may read the data is not in the backup.
systemctl restart "$setup"
echo "restored: $backup"
