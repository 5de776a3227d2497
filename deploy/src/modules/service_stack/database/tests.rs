use crate::modules::sample;

const VAULT: &str = "[vault]\nsnakeoil = true\n[service-stack]\n";

fn script(options: &str) -> String {
    let tree = sample::tree(&format!("{VAULT}{options}"));
    tree.text("/usr/local/lib/odbox/database-init.sql").to_owned()
}

#[test]
fn names_are_those_of_the_options() {
    let script = script(
        "odoo-db-name = \"shop\"\nodoo-db-user = \"clerk\"\npgadmin = true\n\
         pgadmin-db-name = \"pga_data\"\npgadmin-db-user = \"pga\"\n",
    );
    for line in [
        "ALTER ROLE \"clerk\" LOGIN PASSWORD NULL NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;",
        "ALTER DATABASE \"shop\" OWNER TO \"clerk\";",
        "ALTER DATABASE \"pga_data\" OWNER TO \"pga\";",
        "GRANT CONNECT ON DATABASE \"shop\" TO \"pga\";",
        "\\connect \"shop\"",
        "ALTER DEFAULT PRIVILEGES FOR ROLE \"clerk\" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO \"pga\";",
    ] {
        assert!(script.lines().any(|there| there == line), "{line} is not in\n{script}");
    }
}

#[test]
fn without_pgadmin_nobody_else_gets_into_odoos_data() {
    let script = script("");
    assert!(!script.contains("pgadmin"), "there is no role of PgAdmin: {script}");
    assert!(!script.contains("\\connect"), "and nothing to grant: {script}");
}

#[test]
fn no_role_is_two() {
    for (options, role, whose) in [
        ("odoo-db-user = \"admin\"", "admin", "the administrator"),
        ("pgadmin = true\npgadmin-db-user = \"admin\"", "admin", "the administrator"),
        ("pgadmin = true\npgadmin-db-user = \"odoo\"", "odoo", "Odoo"),
    ] {
        let problems = sample::problems(&format!("{VAULT}{options}"));
        let message = format!("the role `{role}` is also that of {whose}");
        assert!(problems.contains(&message), "{options}: {problems}");
    }
    let problems = sample::problems(&format!("{VAULT}pgadmin = true\npgadmin-db-name = \"odoo\""));
    assert!(problems.contains("the database `odoo` is claimed"), "nor is a database: {problems}");
}
