
as_admin() {
    PGUSER=$admin "$@"
}

# Only root reads what opens a backup.
identify() {
    local access how
    how="put an identity that opens it there as root: install -m 0600 KEY $identity"
    access=$(stat --format='%u %a' "$identity" 2>/dev/null) || {
        echo "the backup is encrypted: $how" >&2
        return 1
    }
    if [ "${access% *}" != 0 ] || [ $((8#${access#* } & 077)) != 0 ]; then
        echo "$identity is not for root alone (owner and mode: $access): $how" >&2
        return 1
    fi
}

# A part of a backup, whether it is encrypted or not.
part() {
    if [ -e "$1.age" ]; then
        identify || return
        age --decrypt --identity "$identity" "$1.age"
    else
        cat "$1"
    fi
}

# Fills a new database from a backup, and compares every table with what it was.
load() {
    local was now
    was=$(part "$1/rows")
    as_admin dropdb --if-exists --force "$2"
    as_admin createdb --template=template0 --owner="$role" "$2"
    as_admin psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres \
        --command="REVOKE ALL ON DATABASE \"$2\" FROM PUBLIC"
    part "$1/extensions.sql" | ask --dbname="$2"
    part "$1/database.dump" |
        as_owner pg_restore --schema=public --no-owner --no-acl --exit-on-error --dbname="$2"
    now=$(rows "$2")
    diff <(echo "$was") <(echo "$now") >&2 || {
        echo "the database is not the one that was backed up" >&2
        return 1
    }
}
