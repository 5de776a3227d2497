use vault_format::report;

use super::*;
use crate::{
    modules::{self, MODULES},
    value::{Count, Located, Port, Text},
};

fn files(texts: &[(&str, &str)]) -> Vec<NodeFile> {
    texts.iter().map(|(name, text)| NodeFile::from_text(name, &format!("{name}.toml"), text)).collect()
}

fn read<T>(
    files: &[NodeFile],
    module: &'static str,
    read: impl FnOnce(&mut Options<'_>) -> T,
) -> (Option<T>, String) {
    let implied = modules::implied();
    let names = MODULES.map(|module| module.name);
    let mut problems = Problems::default();
    let node = match Node::parse(files, &implied, &names, &mut problems) {
        Ok(node) => node,
        Err(syntax) => return (None, shown(&syntax)),
    };
    let value = node.module(module, read, &mut problems);
    (value.map(|(value, _)| value), shown(&problems))
}

fn shown(problems: &Problems) -> String {
    problems.iter().map(|problem| report::render(problem) + "\n").collect()
}

const HEAD: &str = "architecture = \"x86_64\"\nplatform = \"devm\"\n";

#[test]
fn a_node_wins_over_what_it_starts_from_and_that_over_what_modules_imply() {
    let own = "from = \"base\"\n[service-stack]\nodoo-cpus = 3\n";
    let base = format!("{HEAD}[server]\n[service-stack]\nodoo-cpus = 2\npublic-port = 8443\n");
    let files = files(&[("own", own), ("base", &base)]);
    let stack = |options: &mut Options<'_>| {
        let numbers = (options.get("odoo-cpus", Count::new(1)), options.get("public-port", Port::new(443)));
        (
            numbers,
            options.get("pgadmin", false),
            options.sets("domain"),
            options.optional::<Text>("odoo-db-name"),
        )
    };
    let (value, problems) = read(&files, "service-stack", stack);
    assert_eq!(problems, "");
    let ((cpus, port), pgadmin, has_domain, database) = value.unwrap();
    assert_eq!((cpus.get(), port.get(), pgadmin, has_domain), (3, 8443, true, false));
    assert_eq!(database.unwrap().as_str(), "odoo_martel_14");
}

#[test]
fn a_module_that_nobody_names_is_not_there() {
    let files = files(&[("own", HEAD)]);
    assert!(read(&files, "service-stack", |_| ()).0.is_none());
}

#[test]
fn paths_begin_where_the_file_that_names_them_is() {
    let files = files(&[("own", &format!("{HEAD}[vault]\nsource = \"a/vault\"\n"))]);
    let (value, _) = read(&files, "vault", |options| options.located("source"));
    assert_eq!(value.unwrap(), Some(Located::InProgram("a/vault".into())));
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let text = "platform = \"ec3\"\nhostname = \"x\"\n[service-stack]\nodoo-cpus = 0\nlist = [\"a\", 1]\nodo-cpus = 1\n";
    let files = files(&[("own", text)]);
    let (_, problems) = read(&files, "service-stack", |options| {
        options.get("odoo-cpus", Count::new(1));
        options.optional::<Vec<Text>>("list");
    });
    for expected in [
        "the node does not say its `architecture`",
        "own.toml:1:12",
        "`ec3` is no choice here",
        "own.toml:2:1",
        "did you mean `host-name`?",
        "own.toml:4:13",
        "0 is out of range",
        "own.toml:5:14",
        "an integer where it cannot be",
        "own.toml:6:1",
        "did you mean `odoo-cpus`?",
    ] {
        assert!(problems.contains(expected), "{expected}:\n{problems}");
    }
}

#[test]
fn everything_that_is_no_toml_is_told_at_once() {
    let files = files(&[("own", "a = \nb = 1\nb = 2\n[c\n")]);
    let (_, problems) = read(&files, "base", |_| ());
    for place in ["own.toml:1:", "own.toml:3:", "own.toml:4:"] {
        assert!(problems.contains(place), "{place}:\n{problems}");
    }
}

#[test]
fn a_module_that_is_no_table_is_told() {
    let files = files(&[("own", &format!("swap-file = true\n{HEAD}"))]);
    let (value, problems) = read(&files, "swap-file", |_| ());
    assert!(value.is_none() && problems.contains("write [swap-file]"), "{problems}");
}
