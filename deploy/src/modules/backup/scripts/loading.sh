
as_admin() {
    PGUSER=$admin "$@"
}

# A part of a backup, whether it is encrypted or not.
part() {
    if [ -e "$1.age" ]; then
        [ -r "$identity" ] || {
            echo "the backup is encrypted: put an identity that opens it into $identity" >&2
            return 1
        }
        age --decrypt --identity "$identity" "$1.age"
    else
        cat "$1"
    fi
}

# Fills a new database from a backup, and compares every table with what it was.
load() {
    as_admin dropdb --if-exists --force "$2"
    as_admin createdb --template=template0 --owner="$role" "$2"
    as_admin psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres \
        --command="REVOKE ALL ON DATABASE \"$2\" FROM PUBLIC"
    ask --dbname="$2" <"$1/extensions.sql"
    part "$1/database.dump" |
        as_owner pg_restore --schema=public --no-owner --no-acl --exit-on-error --dbname="$2"
    rows "$2" | diff "$1/rows" - >&2 || {
        echo "the database is not the one that was backed up" >&2
        return 1
    }
}
