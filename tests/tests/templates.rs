//! Templates show nothing to anybody who may not have it anyway: neither verified nor signed otherwise.

use std::fs;

use fixtures::{
    command::{Run, program, vaultgen},
    machine::{
        self,
        Need::{Fuse, Program, Root},
    },
    mount::MountPoint,
    tree::contents,
    vault::{Vault, VaultBuilder},
};

const SOURCE: &str = "templates/x.conf";
const TABLE: &str = "[template.\"x.conf\"]\nsource = \"templates/x.conf\"\n";
/// What a vault has for Odoo, once a machine has it.
const ODOO: &str = "[template.\"odoo/admin.conf\"]\nsource = \"templates/admin.conf\"\nowner = \"odoo\"\n\
    group = \"odoo\"\naudience = [\"ops\"]\n";
const BOTH: &str = "a = {{ secret(\"a\") | ini }}\nb = {{ secret(\"b\") }}\n";
/// A machine that gets neither secret.
const MACHINE: &str =
    "[machines]\nweb = { keys = [\"age1gye3k9xdwclzjlxvky74h6cdzh6vh88m6lax3chvfsdpshz3zfuqn367l2\"] }\n";

/// Two secrets, of which these services may open one each; nothing for no such rule.
fn two(services: [&str; 2]) -> VaultBuilder {
    let rule =
        |services: &str| if services.is_empty() { String::new() } else { format!("services = {services}") };
    Vault::with("a", "1").policy(&rule(services[0])).and("b", "2").policy(&rule(services[1]))
}

fn on(vault: &Vault, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(arguments)
}

/// What is wrong with a template, and what is said of it.
struct Wrong {
    services: [&'static str; 2],
    /// Further lines of the template's table.
    table: &'static str,
    source: Option<&'static [u8]>,
    error: &'static str,
}

const SOUND: Wrong = Wrong { services: ["", ""], table: "", source: Some(BOTH.as_bytes()), error: "" };
const NGINX: &str = "[\"nginx.service\"]";

const WRONG: [Wrong; 9] = [
    Wrong {
        table: "audience = [\"ops\", \"web\"]",
        source: Some(b"{{ secret(\"a\") }}"),
        error: "keys that cannot decrypt a",
        ..SOUND
    },
    Wrong {
        services: ["[\"nginx.service\", \"odoo.service\"]", ""],
        table: "services = [\"nginx.service\", \"cron.service\"]",
        error: "services that may not open a",
        ..SOUND
    },
    Wrong { services: ["", NGINX], table: "services = []", error: "services that may not open b", ..SOUND },
    Wrong { services: [NGINX, "[\"odoo.service\"]"], error: "no service may open every secret", ..SOUND },
    Wrong { source: None, error: "templates/x.conf is not in the vault", ..SOUND },
    Wrong { source: Some(b"\xff"), error: "templates/x.conf is not a text file", ..SOUND },
    Wrong {
        source: Some(b"\n\n{{ secret(\"a\") | upper }}"),
        error: "templates/x.conf: line 3: there is no such filter",
        ..SOUND
    },
    Wrong { source: Some(b"{% include \"/etc/shadow\" %}"), error: "line 1: this is not secret", ..SOUND },
    Wrong { source: Some(b"{{ secret(\"c\") }}"), error: "shows c, which is not in the vault", ..SOUND },
];

impl Wrong {
    fn tables(&self) -> String {
        format!("{TABLE}{}\n{MACHINE}", self.table)
    }

    /// A vault that somebody signed all the same.
    fn signed(&self) -> Vault {
        let vault = two(self.services).policy(&self.tables());
        match self.source {
            Some(source) => vault.public_file(SOURCE, source).build(),
            None => vault.build(),
        }
    }

    /// A sound vault with this beside it, to be signed.
    fn proposed(&self) -> Vault {
        let vault = two(self.services).build().trusted();
        let policy = vault.path().join("vault.toml");
        let text = fs::read_to_string(&policy).expect("a policy");
        fs::write(policy, text + &self.tables()).expect("an edit");
        if let Some(source) = self.source {
            fs::create_dir(vault.path().join("templates")).expect("a folder");
            fs::write(vault.path().join(SOURCE), source).expect("a source");
        }
        vault
    }
}

#[test]
fn a_template_that_shows_too_much_is_not_sound() {
    for wrong in &WRONG {
        on(&wrong.signed(), &["verify"]).exits(1).explains_once(wrong.error);
    }
}

#[test]
fn a_template_that_shows_too_much_is_not_signed() {
    for wrong in &WRONG {
        let vault = wrong.proposed();
        let before = contents(&vault.path());
        on(&vault, &["sign", "--yes"]).exits(1).explains_once(wrong.error);
        assert!(contents(&vault.path()) == before, "{}: something was changed", wrong.error);
    }
}

#[test]
fn a_template_within_bounds_is_both() {
    for (services, table) in [
        (["", ""], ""),
        (["", ""], "services = [\"nginx.service\"]"),
        ([NGINX, ""], ""),
        ([NGINX, NGINX], "services = [\"nginx.service\"]"),
        (["[\"nginx.service\", \"odoo.service\"]", NGINX], ""),
    ] {
        let sound = Wrong { services, table, ..SOUND };
        on(&sound.signed(), &["verify"]).succeeds();
        let vault = sound.proposed();
        on(&vault, &["sign", "--yes"]).succeeds();
        on(&vault, &["verify"]).succeeds().says("sound: 2 secrets, serial 2");
        // And so is every state that follows.
        on(&vault, &["rekey"]).succeeds();
        on(&vault, &["verify"]).succeeds();
    }
}

/// A change of something else may make a template show too much.
#[test]
fn no_secret_is_taken_from_under_a_template() {
    let vault = Wrong { table: "audience = [\"ops\"]", ..SOUND }.signed().trusted();
    on(&vault, &["grant", "a", "web"]).succeeds();
    let before = contents(&vault.path());
    on(&vault, &["revoke", "a", "ops"]).exits(1).explains_once("keys that cannot decrypt a");
    assert!(contents(&vault.path()) == before, "something was changed");
    on(&vault, &["revoke", "a", "web"]).succeeds();

    let path = vault.path().join(SOURCE);
    fs::write(&path, "changed").expect("a change");
    on(&vault, &["verify"]).exits(1).explains_once("templates/x.conf is not what was signed");
    fs::remove_file(&path).expect("a removal");
    on(&vault, &["verify"]).exits(1).explains("templates/x.conf");
    on(&vault, &["sign", "--yes"]).exits(1).explains_once("templates/x.conf is not in the vault");
}

/// An Odoo machine gets the templates that show what it gets, and no other.
#[test]
fn a_machine_gets_its_templates() {
    let vault = Vault::standard();
    let policy = vault.path().join("vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    let tables = ["admin", "root"]
        .map(|name| format!("\n[template.\"{name}.conf\"]\nsource = \"templates/{name}\"\n"));
    fs::write(&policy, text + &tables.concat()).expect("an edit");
    for (name, secret) in [("admin", "odoo-admin.txt"), ("root", "root.txt")] {
        let source = format!("password = {{{{ secret(\"passwords/{secret}\") | ini }}}}\n");
        fs::write(vault.path().join("templates").join(name), source).expect("a source");
    }
    on(&vault, &["sign", "--yes"]).succeeds();
    let added = on(&vault, &["machine", "add", "web-1"]).succeeds();
    added.says("warning: web-1 does not get the template root.conf: it shows passwords/root.txt");
    let text = fs::read_to_string(&policy).expect("a policy");
    assert!(text.contains("source = \"templates/admin\"\naudience = [\"ops\", \"web-1\"]\n"), "{text}");
    assert!(text.contains(&ODOO.replace("[\"ops\"]", "[\"ops\", \"web-1\"]")), "{text}");
    assert!(
        text.contains("source = \"templates/root\"\n\n") || text.ends_with("source = \"templates/root\"\n"),
        "{text}"
    );
    on(&vault, &["machine", "add", "web-2", "--profile", "none"]).succeeds();
    assert!(!fs::read_to_string(&policy).expect("a policy").contains("\"web-1\", \"web-2\"]"), "{text}");
    on(&vault, &["verify"]).succeeds();
    on(&vault, &["machine", "remove", "web-1"]).succeeds();
    on(&vault, &["verify"]).succeeds();
}

/// The template that every Odoo vault has.
const ODOO_SOURCE: &str = "templates/admin.conf";

/// Takes it out of the policy and the vault, as one that is older has it.
fn without_odoo(vault: &Vault) {
    let policy = vault.path().join("vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    let (before, table) = text.split_once("\n[template.\"odoo/admin.conf\"]\n").expect("a table");
    let after = table.split_once("\n[").map_or(String::new(), |(_, after)| format!("\n[{after}"));
    fs::write(&policy, format!("{before}{after}")).expect("an edit");
    fs::remove_file(vault.path().join(ODOO_SOURCE)).expect("a removal");
    on(vault, &["sign", "--yes"]).succeeds();
}

fn policy(vault: &Vault) -> String {
    fs::read_to_string(vault.path().join("vault.toml")).expect("a policy")
}

#[test]
fn init_adds_what_an_older_vault_lacks_for_whom_the_password_is() {
    let vault = Vault::standard();
    without_odoo(&vault);
    on(&vault, &["machine", "add", "web-1"]).succeeds();
    assert!(!policy(&vault).contains("[template"), "{}", policy(&vault));
    on(&vault, &["status"]).succeeds().says("missing, `vaultgen init` makes it:\n  odoo/admin.conf\n");
    on(&vault, &["init", "--batch"]).succeeds().says("17 secrets, serial 4");
    let (table, order) =
        (policy(&vault), "audience = [\"ops\", \"web-1\"]\nowner = \"odoo\"\ngroup = \"odoo\"\n");
    let source = "[template.\"odoo/admin.conf\"]\nsource = \"templates/admin.conf\"\n";
    assert!(table.contains(&format!("{source}{order}")), "{table}");
    on(&vault, &["verify"]).succeeds();
    on(&vault, &["init", "--batch"]).succeeds().says("nothing to do");

    // One who lost the passwords too has all of it at once.
    without_odoo(&vault);
    fs::remove_file(vault.path().join("passwords/odoo-admin.txt.age")).expect("a removal");
    on(&vault, &["init", "--batch"]).succeeds();
    assert!(policy(&vault).contains(source), "{}", policy(&vault));
    on(&vault, &["init", "--batch"]).succeeds().says("nothing to do");
    on(&vault, &["verify"]).succeeds();
}

#[test]
fn init_leaves_what_somebody_has_in_its_place() {
    for (path, source) in [
        ("odoo/admin.conf", "templates/own"),
        ("Odoo/Admin.conf", "templates/own"),
        ("odoo", "templates/own"),
        ("own", ODOO_SOURCE),
    ] {
        let vault = Vault::standard();
        without_odoo(&vault);
        let table = format!("\n[template.\"{path}\"]\nsource = \"{source}\"\n");
        fs::write(vault.path().join("vault.toml"), policy(&vault) + &table).expect("an edit");
        fs::write(vault.path().join(source), "own = true\n").expect("a source");
        on(&vault, &["sign", "--yes"]).succeeds();
        on(&vault, &["init", "--batch"]).succeeds().says("nothing to do");
    }
}

/// No machine would serve the state: it is refused where the value is given.
#[test]
fn a_value_that_the_template_cannot_show_is_refused_before_it_is_signed() {
    const ENTERED: &str = "correct #horse battery staple\n";
    let vault = Vault::standard();
    let before = contents(&vault.path());
    let entered = || on(&vault, &["password", "odoo-admin", "--stdin"]).input(ENTERED);
    let refused = entered().exits(1);
    refused
        .explains_once("the template odoo/admin.conf cannot show the new value of passwords/odoo-admin.txt");
    assert!(!refused.errors.contains("horse"), "{refused}");
    entered().arg("--no-sign").exits(1).explains_once("cannot show the new value");
    assert!(contents(&vault.path()) == before, "something was changed");
    on(&vault, &["password", "root", "--stdin"]).input(ENTERED).succeeds();

    // Nor does a vault get the template that has such a value already.
    without_odoo(&vault);
    entered().succeeds();
    let before = contents(&vault.path());
    let refused = on(&vault, &["init", "--batch"]).exits(1);
    refused.explains_once("the value of passwords/odoo-admin.txt cannot be written");
    assert!(contents(&vault.path()) == before, "something was changed");
}

/// As Odoo 14 reads it: `odoo.tools.config` has a RawConfigParser take each option as it is, but for the words
/// that stand for true and false.
#[test]
fn odoo_reads_the_password_from_its_configuration() {
    if !machine::has(&[Root, Fuse, Program("age"), Program("python3")]) {
        return;
    }
    const READER: &str = "import configparser, sys\n\
        parser = configparser.RawConfigParser()\n\
        parser.read([sys.argv[1]])\n\
        assert parser.sections() == ['options'] and parser.options('options') == ['admin_passwd']\n\
        sys.stdout.write(dict(parser.items('options'))['admin_passwd'])\n";
    let vault = Vault::standard();
    for entered in [None, Some("100% = of: a[b] ${c}#\"horse\" %(d)s"), Some("zażółć gęślą jaźń;=")]
    {
        if let Some(value) = entered {
            on(&vault, &["password", "odoo-admin", "--stdin"]).input(value).succeeds();
        }
        let place = MountPoint::serving(&vault);
        let read = program("python3").args(["-c", READER]).arg(place.join("odoo/admin.conf"));
        let expected = vault.open_text("passwords/odoo-admin.txt");
        assert!(read.succeeds().text() == expected, "another password was read");
        assert!(entered.is_none_or(|value| value == expected));
    }
}
