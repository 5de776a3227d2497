use crate::modules::sample;

const VAULT: &str = "[vault]\nsnakeoil = true\n[service-stack]\n";

#[test]
fn it_is_there_only_if_it_is_wanted() {
    let path = "/etc/systemd/system/pgadmin.service";
    assert!(sample::tree(VAULT).at(path).is_none(), "not by default");
    let tree = sample::tree(&format!("{VAULT}pgadmin = true"));
    let unit = tree.text(path);
    assert!(unit.contains(" --bind=127.0.0.1:5050 "), "on this machine only: {unit}");
    assert!(unit.contains("Environment=SCRIPT_NAME=/pgadmin\n"), "below its path: {unit}");
    assert!(unit.contains("Requires=pgadmin-init.service\n"), "after it was set up: {unit}");
}

#[test]
fn its_names_are_those_of_the_options() {
    let tree = sample::tree(&format!(
        "{VAULT}odoo-db-name = \"shop\"\npgadmin = true\npgadmin-admin-email = \"jo@example.org\"\n\
         pgadmin-db-name = \"pga_data\"\npgadmin-db-user = \"pga\"\n"
    ));
    let settings = tree.text("/etc/pgadmin/config_system.py");
    let uri = "CONFIG_DATABASE_URI = \"postgresql://pga@/pga_data?host=/run/postgresql\"\n";
    assert!(settings.contains(uri), "{settings}");
    let init = tree.text("/etc/systemd/system/pgadmin-init.service");
    assert!(init.contains(" jo@example.org "), "the first user: {init}");
    let servers = tree.text("/usr/local/lib/odbox/pgadmin/servers.json");
    let servers: serde_json::Value = serde_json::from_str(servers).expect("JSON");
    let server = &servers["Servers"]["1"];
    assert_eq!(server["MaintenanceDB"], "shop", "it connects to Odoo's data");
    assert_eq!(server["Username"], "pga", "as its role");
    assert_eq!(server["Host"], "/run/postgresql", "over the socket");
}

#[test]
fn its_password_is_a_credential_of_the_set_up_alone() {
    let tree = sample::tree(&format!("{VAULT}pgadmin = true"));
    let init = tree.text("/etc/systemd/system/pgadmin-init.service");
    assert!(init.contains("LoadCredential=password:/run/vault/passwords/pgadmin-admin.txt\n"), "{init}");
    let server = tree.text("/etc/systemd/system/pgadmin.service");
    assert!(!server.contains("LoadCredential"), "{server}");
}

#[test]
fn each_package_of_its_environment_has_its_version_and_its_hashes() {
    let tree = sample::tree(&format!("{VAULT}pgadmin = true"));
    let text = tree.text("/usr/local/lib/odbox/pgadmin/requirements.txt").replace("\\\n", "");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let is_pinned = |line: &&str| {
        let mut words = line.split_whitespace();
        let is_exact = words.next().is_some_and(|package| package.split("==").count() == 2);
        let hashes: Vec<Option<&str>> = words.map(|word| word.strip_prefix("--hash=sha256:")).collect();
        is_exact && !hashes.is_empty() && hashes.iter().all(|hash| hash.is_some_and(|hash| hash.len() == 64))
    };
    assert_eq!(lines.iter().find(|line| !is_pinned(line)), None, "not pinned");
    for package in ["pgadmin4==", "gunicorn==", "psycopg-binary=="] {
        assert!(lines.iter().any(|line| line.starts_with(package)), "{package}");
    }
}
