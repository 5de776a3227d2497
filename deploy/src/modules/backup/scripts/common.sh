export PATH=/usr/lib/postgresql/17/bin:/usr/bin:/bin PGHOST=/run/postgresql

# Odoo's data is read and written as Odoo, so nothing that is in it is ever run by anybody else.
as_owner() {
    setpriv --reuid="$owner" --regid="$owner" --clear-groups -- \
        env PGUSER="$role" HOME=/nonexistent "$@"
}

ask() {
    as_owner psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 "$@"
}

# Every table of a database (as of a snapshot), with the number of its rows and a digest of them in whatever order.
rows() {
    ask --dbname="$1" <<SQL
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
${2:+SET TRANSACTION SNAPSHOT '$2';}
SET LOCAL TimeZone = 'UTC';
SELECT format('SELECT %L, count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM ONLY public.%I t',
    relname, relname)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname COLLATE "C" \gexec
COMMIT;
SQL
}

# Every file below a folder, with its size.
files() {
    (cd "$1" && find . -type f -printf '%s %P\n' | LC_ALL=C sort)
}
