//! Backups of a real database, killed, damaged and restored, by the units as they are rendered.
//!
//! PostgreSQL is this machine's, of whichever release, with the rendered rules of who is who; Odoo only runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use deploy::node::Variant;
use fixtures::machine::{self, Need::Program};

use crate::machine::{Machine, NEEDS, shared};

const NODE: &str = "\
[service-stack]
odoo-db-name = \"shop\"
pgadmin = true

[backup]
keep = 2
";

/// Data of every kind, and what a test asks of it.
const DATA: &str = r#"
odoo() { setpriv --reuid=odoo --regid=odoo --clear-groups env PGUSER=odoo PGHOST=/run/postgresql "$@"; }
sql() { odoo psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --dbname="${database:-shop}" --command="$1"; }
store=/var/lib/odoo/filestore/shop
keep() { name=$(printf %s "$1" | sha1sum | cut -c 1-40); odoo mkdir -p "$store/${name%"${name#??}"}"; printf %s "$1" | odoo tee "$store/${name%"${name#??}"}/$name" >/dev/null; }
sql 'CREATE EXTENSION pg_trgm; CREATE SCHEMA private; CREATE TABLE private.hidden (id int)'
sql "CREATE TABLE partner (id serial PRIMARY KEY, name text, at timestamptz DEFAULT now(), data bytea, price numeric)"
sql "INSERT INTO partner (name, data, price) SELECT 'é ' || n, decode(md5(n::text), 'hex'), n / 7.0 FROM generate_series(1, 5000) n"
sql 'CREATE INDEX ON partner USING gin (name gin_trgm_ops); CREATE VIEW names AS SELECT name FROM partner'
sql 'CREATE TABLE "order" (id int REFERENCES partner); INSERT INTO "order" SELECT id FROM partner WHERE id % 2 = 0'
keep one; keep two
runs() { systemctl is-active odoo.service; }
state() { sql 'SELECT count(*), sum(id), md5(string_agg(name, price::text ORDER BY id)) FROM partner' && sql 'SELECT count(*) FROM "order"' && (cd $store && find . -type f | sort | xargs sha1sum); }
latest() { readlink /backup/latest; }
"#;

/// PostgreSQL's programs, of the newest release here.
fn programs() -> Option<PathBuf> {
    let releases = fs::read_dir(shared("/usr/lib/postgresql")).ok()?.flatten();
    let has_server = |release: &fs::DirEntry| release.path().join("bin/initdb").exists();
    let names = releases.filter(has_server).map(|release| release.file_name());
    names.max().map(|name| Path::new("/usr/lib/postgresql").join(name).join("bin"))
}

fn can_boot() -> bool {
    machine::has(&NEEDS)
        && machine::has(&["rsync", "psql", "pg_restore", "setpriv", "age", "age-keygen"].map(Program))
}

/// A machine with a database, and something that runs where Odoo would.
fn machine(options: &str) -> Machine {
    let programs = programs().expect("PostgreSQL").display().to_string();
    let machine = Machine::of(&format!("{NODE}{options}"), Variant::Run);
    let postgresql = format!(
        "[Service]\nType=notify\nUser=postgres\nRuntimeDirectory=postgresql\nRuntimeDirectoryMode=0755\n\
         ExecStartPre={programs}/initdb --pgdata=/var/lib/postgresql/data --encoding=UTF8 --locale=C.UTF-8\n\
         ExecStart={programs}/postgres -D /var/lib/postgresql/data --listen_addresses= \
         --unix_socket_directories=/run/postgresql --fsync=off --hba_file=/etc/postgresql/odbox/pg_hba.conf \
         --ident_file=/etc/postgresql/odbox/pg_ident.conf\n"
    );
    let rights = "[Unit]\nRequires=postgresql.service\nAfter=postgresql.service\n\
                  [Service]\nType=oneshot\nRemainAfterExit=yes\nUser=postgres\n\
                  ExecStart=/usr/bin/psql --host=/run/postgresql --no-psqlrc --quiet --dbname=postgres \
                  --file=/usr/local/lib/odbox/database-init.sql\n";
    let odoo = "[Service]\nUser=odoo\nExecStart=/bin/sleep infinity\n";
    for (name, text) in [("postgresql", postgresql.as_str()), ("database-init", rights), ("odoo", odoo)] {
        machine.write(&format!("/etc/systemd/system/{name}.service"), text);
    }
    machine.starting(&["postgresql.service", "database-init.service", "odoo.service"])
}

fn tells(options: &str, script: &str) -> String {
    machine(options).tells(&format!("{DATA}{script}"))
}

#[track_caller]
fn expects(said: &str, lines: &[&str]) {
    for line in lines {
        assert!(said.lines().any(|said| said == *line), "no {line:?}: {said}");
    }
}

#[test]
fn a_backup_is_whole_private_and_verified() {
    if !can_boot() {
        return;
    }
    let said = tells(
        "",
        "systemctl start odbox-backup-hot.service; runs
         stat --format '%a %U %n' /backup /backup/2*
         (cd /backup/latest && ls)
         systemctl start odbox-backup-verify.service && echo verified
         sql 'SELECT datname FROM pg_database' | grep odbox && echo 'scratch is left'
         odoo pg_restore --list /backup/latest/database.dump 2>/dev/null && echo 'others read it'
         pg_restore --list /backup/latest/database.dump >/tmp/list
         grep -q 'TABLE public partner' /tmp/list && echo 'has the table'
         grep -e private -e ACL -e 'OWNER TO' /tmp/list && echo 'has more'
         # What is deleted is not in the next, and what is the same is there once.
         first=$(latest); keep three; rm $store/*/$(printf one | sha1sum | cut -c 1-40); sleep 1
         systemctl start odbox-backup-hot.service
         [ \"$(latest)\" != \"$first\" ] && echo 'another one'
         two=$(printf two | sha1sum | cut -c 1-40)
         [ /backup/$first/filestore/${two%${two#??}}/$two -ef /backup/latest/filestore/${two%${two#??}}/$two ] && echo 'same file'
         find /backup/$first/filestore -type f | wc -l; find /backup/latest/filestore -type f | wc -l
         systemctl start odbox-backup-verify.service && echo 'verified too'
         # As many as are kept, of each kind.
         systemctl start odbox-backup-cold.service; sleep 1; systemctl start odbox-backup-hot.service
         ls /backup | grep -c hot; ls /backup | grep -c cold; ls -A /backup | grep '^[.]' && echo 'drafts are left'
         # A file that rots.
         file=$(find /backup/latest/filestore -type f | head -n 1); printf x | dd of=$file conv=notrunc status=none
         systemctl start odbox-backup-verify.service || echo 'rotten file'
         sleep 1; systemctl start odbox-backup-hot.service
         truncate --size=-20000 /backup/latest/database.dump
         systemctl start odbox-backup-verify.service || echo 'rotten dump'",
    );
    expects(
        &said,
        &["active", "700 root /backup", "database.dump", "extensions.sql", "filestore", "files", "rows"],
    );
    expects(&said, &["verified", "has the table", "another one", "same file", "verified too"]);
    expects(&said, &["rotten file", "rotten dump"]);
    assert!(said.contains("\n2\n2\nverified too\n2\n1\n"), "files of each, then hot and cold ones: {said}");
    for never in ["scratch is left", "others read it", "has more", "drafts are left"] {
        assert!(!said.contains(never), "{never}: {said}");
    }
}

#[test]
fn odoo_runs_again_after_a_cold_backup_whatever_happens() {
    if !can_boot() {
        return;
    }
    let said = tells(
        "",
        "systemctl start odbox-backup-cold.service; sleep 1; echo \"cold $(runs)\"; first=$(latest)
         # Whoever holds a table keeps the dump from its end.
         (echo 'BEGIN; LOCK TABLE partner;'; sleep 8) | odoo psql --quiet --dbname=shop & sleep 1
         systemctl start --no-block odbox-backup-cold.service
         until [ -e /backup/.new/database.dump ]; do sleep 0.1; done
         echo \"meanwhile $(runs)\"
         systemctl kill --signal=KILL odbox-backup-cold.service; sleep 2
         echo \"killed $(runs)\"; [ \"$(latest)\" = \"$first\" ] && echo 'still the first'; wait
         [ -e /backup/.new ] && echo 'half of one'
         systemctl start odbox-backup-verify.service && echo verified
         systemctl start odbox-backup-cold.service; sleep 1
         [ \"$(latest)\" != \"$first\" ] && echo 'another one'; [ -e /backup/.new ] && echo 'a draft is left'
         echo \"again $(runs)\"
         systemctl stop odoo.service; systemctl start odbox-backup-cold.service; sleep 1; echo \"stopped $(runs)\"",
    );
    expects(&said, &["cold active", "meanwhile inactive", "killed active", "still the first", "half of one"]);
    expects(&said, &["verified", "another one", "again active", "stopped inactive"]);
    assert!(!said.contains("a draft is left"), "{said}");
}

#[test]
fn a_restore_brings_back_everything_and_leaves_the_backup() {
    if !can_boot() {
        return;
    }
    let said = tells(
        "",
        "state >/tmp/before; systemctl start odbox-backup-hot.service; first=$(latest)
         digest() { (cd /backup && find . -printf '%P %i %m %T@ %l\\n' | sort && find . -type f | sort | xargs sha1sum) | sha1sum; }
         digest >/tmp/digest
         spoil() { sql 'DROP TABLE \"order\"; DELETE FROM partner WHERE id < 100; CREATE TABLE more (id int)'; keep four; rm -r $store/$(ls $store | head -n 1); }
         spoil
         # Killed in the middle: all is as before, and the next one works.
         systemctl start --no-block odbox-restore.service
         until odoo test -e $store.new || [ \"$(database=postgres sql \"SELECT count(*) FROM pg_database WHERE datname = 'odbox_restore'\")\" = 1 ]; do sleep 0.05; done
         systemctl kill --signal=KILL odbox-restore.service; sleep 1
         echo \"killed $(runs)\"; sql 'SELECT count(*) FROM more'
         systemctl start odbox-restore.service; sleep 1; echo \"restored $(runs)\"
         state | diff /tmp/before - && echo 'the same'
         find $store \\! -user odoo | grep . && echo 'not his'
         ls /var/lib/odoo/filestore; database=postgres sql 'SELECT datname FROM pg_database ORDER BY 1'
         sql \"SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner <> 'odoo'\"
         sql \"SELECT has_table_privilege('pgadmin', 'partner', 'INSERT'), has_database_privilege('public', 'shop', 'CONNECT')\"
         digest | cmp - /tmp/digest && echo 'the backup is untouched'
         spoil; sleep 1; systemctl start odbox-backup-hot.service
         systemctl start odbox-restore@$first.service; state | diff /tmp/before - && echo 'the older one'",
    );
    expects(
        &said,
        &["killed active", "0", "restored active", "the same", "shop", "t|f", "the backup is untouched"],
    );
    expects(&said, &["the older one"]);
    for never in ["not his", "odbox_", "shop."] {
        assert!(!said.contains(never), "{never}: {said}");
    }
}

#[test]
fn an_encrypted_backup_opens_for_operators_only() {
    if !can_boot() {
        return;
    }
    let machine = machine("encrypted = true\n");
    machine.write("/opt/operator.key", include_str!("../../../snakeoil/vault/age.key"));
    let said = machine.tells(&format!(
        "{DATA}
         key=/run/odbox-backup-identity; takes() {{ install \"$@\" /opt/operator.key $key; }}
         verify() {{ systemctl reset-failed; systemctl start odbox-backup-verify.service; }}
         keep 'what a file holds'
         state >/tmp/before; systemctl start odbox-backup-hot.service; (cd /backup/latest && ls)
         grep -r -l -e 'é 4711' -e 'what a file holds' -e partner -e pg_trgm /backup && echo 'in the clear'
         verify || echo 'takes an identity'
         takes -m 0644; verify || echo 'not for all to read'
         takes -m 0640; verify || echo 'not for a group'
         takes -m 0600 -o odoo; verify || echo 'not from others'
         rm $key; ln -s /opt/operator.key $key; verify || echo 'not by a link'; rm $key
         journalctl --output cat | grep 'identity is not for root alone (owner and mode: 0 644): .*install -m 0600 KEY /run/' && echo 'says how'
         takes -m 0600; verify && echo verified; [ -e $key ] || echo 'verified and gone'
         sql 'DELETE FROM \"order\"'; rm -r $store/*; takes -m 0600
         systemctl start odbox-restore.service; state | diff /tmp/before - && echo 'the same'
         [ -e $key ] || echo 'restored and gone'
         (umask 077; age-keygen 2>/dev/null >$key)
         systemctl start odbox-restore.service || echo 'not by others'; state | diff /tmp/before - && echo 'the same still'
         rm $key; takes -m 0600
         : >/backup/latest/rows.age; verify || echo 'rotten rows'"
    ));
    expects(&said, &["database.dump.age", "extensions.sql.age", "filestore.tar.age", "rows.age"]);
    expects(&said, &["takes an identity", "not for all to read", "not for a group", "not from others"]);
    expects(
        &said,
        &["not by a link", "says how", "verified", "verified and gone", "the same", "restored and gone"],
    );
    expects(&said, &["not by others", "the same still", "rotten rows"]);
    assert!(!said.lines().any(|line| ["rows", "extensions.sql", "database.dump"].contains(&line)), "{said}");
    assert!(!said.contains("in the clear"), "{said}");
}

#[test]
fn nothing_gets_into_a_backup_that_odoo_may_not_read() {
    if !can_boot() {
        return;
    }
    for options in ["", "encrypted = true\n"] {
        let machine = machine(options);
        machine.write("/opt/operator.key", include_str!("../../../snakeoil/vault/age.key"));
        let said = machine.tells(&format!(
            "{DATA}
             mkdir -p -m 0700 /opt/roots/shop; echo 'of root only' >/opt/roots/shop/key
             install -m 0600 /opt/roots/shop/key /opt/key; mkdir -m 0755 /opt/open; install -m 0600 /opt/key /opt/open/key
             opened() {{ for file in $(find /backup -name '*.age'); do age --decrypt --identity /opt/operator.key $file; done; }}
             try() {{
                 systemctl start odbox-backup-hot.service || echo \"refused: $1\"
                 if grep -r 'of root only' /backup || opened | grep --text 'of root only'; then echo \"leaks: $1\"; fi
                 sleep 1
             }}
             # The folder itself, to what nobody else enters and to what anybody enters; its parent; a file in it.
             odoo mv $store $store.his
             odoo ln -s /opt/roots/shop $store; try 'a closed folder'; odoo rm $store
             odoo ln -s /opt/open $store; try 'an open folder'; odoo rm $store
             odoo mv $store.his $store
             chown odoo /var/lib/odoo; odoo mv /var/lib/odoo/filestore /var/lib/odoo/his
             odoo ln -s /opt/roots /var/lib/odoo/filestore; try 'a parent'; odoo rm /var/lib/odoo/filestore
             odoo mv /var/lib/odoo/his /var/lib/odoo/filestore
             [ -e /backup/latest ] && echo 'one of them is a backup'
             odoo ln -s /opt/key $store/link; try 'a file'
             [ -e /backup/latest ] && echo 'his own is a backup'"
        ));
        expects(&said, &["refused: a closed folder", "refused: an open folder", "refused: a parent"]);
        expects(&said, &["his own is a backup"]);
        for never in ["leaks", "one of them is a backup", "refused: a file"] {
            assert!(!said.contains(never), "{options}{never}: {said}");
        }
    }
}
