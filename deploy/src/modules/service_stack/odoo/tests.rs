use crate::{
    modules::sample,
    node::{NodeFile, Variant},
    pipeline,
    tree::Tree,
};

const VAULT: &str = "[vault]\nsnakeoil = true\n[service-stack]\n";

fn rendered(options: &str) -> Tree {
    sample::tree(&format!("{VAULT}{options}"))
}

/// The command line of a unit.
fn command(tree: &Tree, unit: &str) -> String {
    let text = tree.text(&format!("/etc/systemd/system/{unit}"));
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart="));
    line.unwrap_or_else(|| panic!("{unit} has no command")).to_owned()
}

#[test]
fn it_runs_as_the_specification_says() {
    let tree = rendered("");
    let command = command(&tree, "odoo.service");
    for option in [
        "--http-interface=127.0.0.1",
        "--http-port=8069",
        "--longpolling-port=8072",
        "--proxy-mode",
        "--limit-time-cpu=600",
        "--limit-time-real=1200",
        "--max-cron-threads=1",
        "--no-database-list",
        "--db-filter=.*",
        "--log-handler=:INFO",
        "--data-dir=/var/lib/odoo",
        "--config=%d/admin.conf",
    ] {
        assert!(command.split([' ', '"']).any(|word| word == option), "{option} is not in {command}");
    }
}

#[test]
fn workers_follow_the_processors() {
    for (cpus, workers) in [(1, "--workers=3"), (4, "--workers=9")] {
        let command = command(&rendered(&format!("odoo-cpus = {cpus}")), "odoo.service");
        assert!(command.split(' ').any(|word| word == workers), "{cpus} processors: {command}");
    }
}

#[test]
fn database_and_role_are_those_of_the_options_everywhere() {
    let tree = rendered("odoo-db-name = \"shop\"\nodoo-db-user = \"clerk\"");
    for unit in ["odoo.service", "odoo-init.service"] {
        let command = command(&tree, unit);
        assert!(command.contains(" --database=shop --db_user=clerk "), "{unit}: {command}");
    }
    let settings = tree.text("/etc/odoo/odoo.conf");
    assert!(settings.contains("db_name = shop\ndb_user = clerk\n"), "for maintenance too: {settings}");
    let store = tree.access("/var/lib/odoo/filestore/shop");
    assert_eq!(store, ("odoo", "odoo", "0700"), "the file store is that of the database");
}

#[test]
fn reports_are_printed_by_our_program_and_load_from_the_server_itself() {
    let tree = rendered("");
    let program = "/usr/local/lib/odbox/odoo/bin/wkhtmltopdf";
    assert_eq!(tree.access(program), ("root", "root", "0755"));
    // Debian's wkhtmltoimage is found as before.
    let programs =
        tree.files.keys().filter(|path| path.as_str().starts_with("/usr/local/lib/odbox/odoo/bin/"));
    assert_eq!(programs.count(), 1);
    for unit in ["odoo.service", "odoo-init.service"] {
        let text = tree.text(&format!("/etc/systemd/system/{unit}"));
        let before = "Environment=PATH=/usr/local/lib/odbox/odoo/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";
        assert!(text.contains(before), "{unit}: {text}");
        assert!(text.contains("BindReadOnlyPaths=/usr/local/lib/odbox/odoo\n"), "{unit}: {text}");
    }
    assert!(tree.text("/usr/local/bin/odoo").contains(" --setenv=PATH=/usr/local/lib/odbox/odoo/bin:"));
    let server = format!("SERVER = \"http://127.0.0.1:{}\"\n", super::HTTP_PORT);
    assert!(tree.text("/usr/local/lib/odbox/odoo/init.py").contains(&server));
}

#[test]
fn secrets_are_credentials_and_nowhere_else() {
    let tree = rendered("");
    for (unit, credential) in [
        ("odoo.service", "LoadCredential=admin.conf:/run/vault/odoo/admin.conf\n"),
        ("odoo-init.service", "LoadCredential=password:/run/vault/passwords/odoo-admin.txt\n"),
    ] {
        let text = tree.text(&format!("/etc/systemd/system/{unit}"));
        assert!(text.contains(credential), "{unit}: {text}");
        assert!(!text.contains("Requires=vaultd"), "it goes on while vaultd is restarted: {text}");
    }
}

#[test]
fn the_server_starts_after_admin_has_another_password() {
    let tree = rendered("");
    let server = tree.text("/etc/systemd/system/odoo.service");
    assert!(server.contains("Requires=odoo-init.service\nAfter=odoo-init.service"), "{server}");
    let wants = "/etc/systemd/system/multi-user.target.wants/odoo.service";
    assert_eq!(tree.link(wants), "/etc/systemd/system/odoo.service", "it starts with the machine");
}

#[test]
fn bootstrap_has_everything_but_a_running_server() {
    let text = format!("architecture = \"x86_64\"\nplatform = \"devm\"\n{VAULT}");
    let files = [NodeFile::from_text("devm-x86_64", "node.toml", &text)];
    let resolved = pipeline::resolve(&files, Variant::Bootstrap);
    let tree = resolved.unwrap_or_else(|problems| panic!("{}", sample::all(&problems))).tree();
    for path in ["/etc/systemd/system/odoo.service", "/var/lib/odoo/filestore/odoo", "/usr/local/bin/odoo"] {
        assert!(tree.at(path).is_some(), "{path} is there");
    }
    assert!(
        tree.text("/usr/local/lib/odbox/database-init.sql").contains("CREATE DATABASE"),
        "as its database"
    );
    let starters = tree.files.keys().filter(|path| path.as_str().contains(".wants/odoo"));
    let starters: Vec<&str> = starters.map(|path| path.as_str()).collect();
    assert_eq!(starters, ["/etc/systemd/system/timers.target.wants/odoo-sessions.timer"], "no server starts");
    let needs_it = |text: &str| {
        text.lines().any(|line| {
            let pulls = ["Requires=", "Wants=", "BindsTo=", "Upholds="];
            pulls.iter().any(|pull| line.starts_with(pull)) && line.contains("odoo.service")
        })
    };
    for name in tree.manifest.units.keys() {
        if let Some(crate::system::Content::Text(text)) = tree.at(&format!("/etc/systemd/system/{name}")) {
            assert!(!needs_it(text), "{name} starts it");
        }
    }
}
