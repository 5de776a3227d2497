use crate::{modules::sample, system::Content};

const VAULT: &str = "[vault]\nsnakeoil = true\n[login]\nmode = \"standard\"\n";

fn rendered(options: &str) -> crate::tree::Tree {
    sample::tree(&format!("{VAULT}[service-stack]\n{options}"))
}

#[test]
fn nobody_gets_in_but_over_the_socket_and_as_who_they_are() {
    let tree = rendered("");
    let settings = tree.text("/etc/postgresql/odbox/postgresql.conf");
    assert!(settings.contains("listen_addresses = ''\n"), "no port is listened on: {settings}");
    assert!(settings.contains("unix_socket_directories = '/run/postgresql'\n"), "{settings}");
    let rules = tree.text("/etc/postgresql/odbox/pg_hba.conf");
    let rules: Vec<&str> = rules.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rules, ["local all all peer map=odbox"], "peer authentication, and nothing else");
}

#[test]
fn each_user_has_one_role() {
    let map = |options: &str| {
        let tree = rendered(options);
        let text = tree.text("/etc/postgresql/odbox/pg_ident.conf").replace('"', "");
        text.lines().filter_map(|line| line.strip_prefix("odbox ").map(str::to_owned)).collect::<Vec<_>>()
    };
    let plain = ["root admin", "admin admin", "postgres postgres", "odoo odoo"];
    assert_eq!(map(""), plain, "without PgAdmin there is no role for it");
    assert_eq!(map("odoo-db-user = \"erp\"")[3], "odoo erp", "the role is the option's");
    assert_eq!(map("pgadmin = true\npgadmin-db-user = \"pga\"")[4], "pgadmin pga", "PgAdmin has its own");
}

#[test]
fn the_administrator_of_the_login_is_the_superuser() {
    let login = "[vault]\nsnakeoil = true\n[login]\nmode = \"standard\"\nadmin-username = \"jo-ann\"\n[service-stack]\n";
    let tree = sample::tree(login);
    let map = tree.text("/etc/postgresql/odbox/pg_ident.conf");
    assert!(map.contains("\"odbox\" \"jo-ann\" \"jo-ann\"\n"), "{map}");
    assert!(map.contains("\"odbox\" \"root\" \"jo-ann\"\n"), "root is the same: {map}");
    let script = tree.text("/usr/local/lib/odbox/database-init.sql");
    assert!(script.contains("ALTER ROLE \"jo-ann\" LOGIN PASSWORD NULL SUPERUSER"), "{script}");
}

#[test]
fn memory_and_connections_grow_with_the_processors() {
    let settings = |cpus: u32| {
        let tree = rendered(&format!("odoo-cpus = {cpus}"));
        tree.text("/etc/postgresql/odbox/postgresql.conf").to_owned()
    };
    for (cpus, line) in [
        (1, "shared_buffers = '128MB'\n"),
        (1, "max_connections = '100'\n"),
        (4, "shared_buffers = '512MB'\n"),
        (4, "max_connections = '176'\n"),
        (1024, "shared_buffers = '8192MB'\n"),
    ] {
        assert!(settings(cpus).contains(line), "{cpus} processors: {line}");
    }
}

#[test]
fn the_cluster_of_debians_package_is_never_there() {
    let tree = rendered("");
    let create = tree.text("/etc/postgresql-common/createcluster.conf");
    assert!(create.contains("create_main_cluster = false\n"), "{create}");
    assert_eq!(tree.link("/etc/systemd/system/postgresql@.service"), "/dev/null", "nor can one be started");
    assert!(matches!(tree.at("/etc/systemd/system/postgresql.service"), Some(Content::Text(_))), "but ours");
}
