//! Whatever is written into a node: it is told what is wrong with it, or every file that comes of it is sound.

use std::{cell::Cell, collections::BTreeSet};

use deploy::{
    checkers::{self, Verdict},
    modules::MODULES,
    node::{NodeFile, Variant},
    pipeline::{self, Resolved},
    problem::Problems,
    system::Content,
    tree::Tree,
};
use proptest::{prelude::*, test_runner::TestRunner};
use vault_format::report;

/// How many of each kind are tried.
const CASES: u32 = 256;

/// How many of the trees are looked at by every checker.
const SAMPLE: u32 = 6;

/// A node with everything that needs no vault of its own.
const BASE: &str = "architecture = \"x86_64\"\nplatform = \"devm\"\n";

/// A node in which nothing is as anybody would write it, and nothing is wrong.
const STRANGE: &str = r#"
architecture = "x86_64"
platform = "devm"
host-name = "0"
time-zone = "America/Argentina/ComodRivadavia"

[base]
editor = "nano"
cli-tools = ["admin", "libstdc++6"]

[server]

[service-stack]
domain = "xn--bcher-kva.0-0.example"
public-port = 65535
autocerts = true
acme-server = "https://a-0.example:1/~a/-b_c..//"
odoo-db-name = "a________________________________________________63_bytes_long"
odoo-db-user = "select"
odoo-cpus = 1024
odoo-session-timeout = 525600
pgadmin = true
pgadmin-admin-email = "!#$%&'*+-/=?^_`{|}~@example.org"
pgadmin-db-name = "user"
pgadmin-db-user = "current_user"

[login]
mode = "standard"
admin-username = "a-_-0"
admin-email = "$id`id`'%n%%'|&{}~@example.org"

[vault]
machine = "devm-x86_64"
snakeoil = true
identity = "/etc/x@y:z+0/a.b_c-d"
mount = "/run/x@y+0/a.b_c-d"

[swap-file]
path = "/srv/x@y:z+0/a.b_c-d"
size = 1048576
encrypted = false

[backup]
basedir = "/srv/x@y:z+0/a.b_c-d-backup"
device = "/dev/disk/by-id/x@y:z+0-a.b_c-d"
hot-schedule = ["Mon..Fri,Sun *-02~1 00,12:00/15:30 UTC", "minutely"]
cold-schedule = []
keep = 1024
encrypted = true

[local-ca]
port = 1
"#;

fn resolve(text: &str) -> Result<Resolved, Problems> {
    pipeline::resolve(&[NodeFile::from_text("devm-x86_64", "box.toml", text)], Variant::Run)
}

/// What is wrong can be shown on a terminal; what is not wrong can be rendered, twice the same. Says which of both it was.
fn judge(text: &str) -> bool {
    let resolved = resolve(text);
    let is_sound = resolved.is_ok();
    match resolved {
        Ok(resolved) => {
            let tree = resolved.tree();
            assert_eq!(tree, resolved.tree(), "the same each time");
            lines_are_whole(&tree);
        }
        Err(problems) => {
            assert!(problems.iter().count() > 0, "something is wrong, and nothing is said");
            for problem in problems.iter() {
                let shown = report::render(problem);
                assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
            }
        }
    }
    is_sound
}

/// Nothing that was chosen has begun a line of its own: every line of a unit is a section, a comment or a directive.
fn lines_are_whole(tree: &Tree) {
    for (path, content) in &tree.files {
        let Content::Text(text) = content else { continue };
        assert!(!text.contains(INTRUDER_LINE), "{path} has a line that somebody chose:\n{text}");
        if !path.as_str().starts_with("/etc/systemd/system/") {
            continue;
        }
        for line in text.lines().filter(|line| !line.is_empty()) {
            let is_directive = line.split_once('=').is_some_and(|(key, _)| {
                !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            });
            assert!(line.starts_with(['#', '[', ';']) || is_directive, "{path}: {line}");
        }
    }
}

/// What would be a line of its own if a line break got through.
const INTRUDER_LINE: &str = "\nExecStart=intruder";

/// Text that means something to one of the formats that it may get into.
fn hostile() -> impl Strategy<Value = String> {
    let known = [
        "\nExecStart=intruder\n",
        "\r\nX: y",
        "$(id)",
        "`id`",
        "'; DROP TABLE x; --",
        "\"",
        "\\",
        "%n%%",
        "${HOME}",
        "#",
        "; }",
        "{{ 7 * 7 }}",
        "../..",
        "/",
        "-rf",
        "\u{202e}",
        "\u{1b}[31m",
        "\0",
        "a@b",
        "é",
        " ",
        "",
    ];
    let pieces = prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        "[a-z0-9._/@:-]{1,12}",
        "\\PC{1,8}",
        any::<String>(),
    ];
    prop::collection::vec(pieces, 1..4).prop_map(|pieces| pieces.concat())
}

/// Texts that some option takes.
fn plausible() -> impl Strategy<Value = String> {
    prop_oneof![
        "/[a-z0-9._+@:-]{1,20}(/[a-z0-9._+@:-]{1,20}){0,3}",
        "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,16}@[a-z0-9-]{1,10}\\.[a-z]{2,5}",
        "[a-z][a-z0-9-]{0,20}(\\.[a-z0-9-]{1,10}){0,3}",
        "[a-z][a-z0-9_]{0,62}",
        "https://[a-z0-9.-]{1,20}(:[0-9]{1,5})?/[!-~]{0,20}",
        "((Mon|Sat\\.\\.Sun) )?([0-9*]{1,2}:[0-9]{2}|daily)",
        prop::sample::select(vec!["cloud", "standard", "emacs", "vim", "nano", "admin"])
            .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = toml::Value> {
    let leaf = prop_oneof![
        3 => plausible().prop_map(toml::Value::String),
        2 => hostile().prop_map(toml::Value::String),
        2 => prop_oneof![0_i64..70_000, any::<i64>()].prop_map(toml::Value::Integer),
        1 => any::<bool>().prop_map(toml::Value::Boolean),
        1 => any::<f64>().prop_filter("TOML has them", |number| number.is_finite()).prop_map(toml::Value::Float),
    ];
    let list = prop::collection::vec(leaf.clone(), 0..4).prop_map(toml::Value::Array);
    prop_oneof![8 => leaf, 1 => list]
}

/// A value for any of the options that there are.
fn setting() -> impl Strategy<Value = (&'static str, &'static str, toml::Value)> {
    let options: Vec<(&str, &str)> = MODULES
        .iter()
        .flat_map(|module| module.options().into_iter().map(|option| (module.name, option.key)))
        .collect();
    (prop::sample::select(options), value()).prop_map(|((module, key), value)| (module, key, value))
}

/// Files beside a node: not for values that are made up.
const OF_FILES: [&str; 5] = ["odoo-addons", "source", "signers", "root-ssh-key", "admin-ssh-key"];

/// A value that an option takes, by what it says that it expects.
fn fitting_setting() -> impl Strategy<Value = (&'static str, &'static str, toml::Value)> {
    let options = MODULES.iter().flat_map(|module| {
        let own = module.options().into_iter().filter(|option| !OF_FILES.contains(&option.key));
        own.map(|option| {
            let fixed = (module.name, option.key);
            fitting(&option.expected).prop_map(move |value| (fixed.0, fixed.1, value)).boxed()
        })
    });
    proptest::strategy::Union::new(options)
}

fn fitting(expected: &str) -> BoxedStrategy<toml::Value> {
    if let Some(each) = expected.strip_prefix("a list, each ") {
        return prop::collection::vec(fitting(each), 0..4).prop_map(toml::Value::Array).boxed();
    }
    if let Some((least, most)) = range(expected) {
        let near = prop_oneof![Just(least), Just(most), least..=most];
        return near.prop_map(toml::Value::Integer).boxed();
    }
    let texts = |pattern: &'static str| pattern.prop_map(toml::Value::String).boxed();
    match expected {
        "true or false" => any::<bool>().prop_map(toml::Value::Boolean).boxed(),
        _ if expected.starts_with('"') => {
            let words: Vec<String> = expected.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            prop::sample::select(words).prop_map(toml::Value::String).boxed()
        }
        _ if expected.starts_with("a path on") => {
            texts("/[a-z0-9][a-z0-9._+@:-]{0,20}(/[a-z0-9][a-z0-9._+@:-]{0,20}){0,3}")
        }
        _ if expected.starts_with("a mail") => {
            texts("[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,16}@[a-z][a-z0-9]{1,10}\\.[a-z]{2,5}")
        }
        _ if expected.starts_with("a domain") => texts("[a-z0-9]{1,20}(-[a-z0-9]{1,9})?\\.[a-z]{2,5}"),
        _ if expected.starts_with("a name for PostgreSQL") => texts("[a-z][a-z0-9_]{0,62}"),
        _ if expected.starts_with("a user's name") => texts("[a-z][a-z0-9_-]{0,30}"),
        _ if expected.starts_with("a URL") => {
            texts("https://[a-z][a-z0-9]{1,9}\\.example(:[1-9][0-9]{0,3})?/[a-zA-Z0-9._~/-]{0,20}")
        }
        _ if expected.starts_with("a calendar") => texts(
            "((Mon|Sat\\.\\.Sun|Mon,Wed) )?(\\*-\\*-(0[1-9]|~1) )?([01][0-9]|\\*|0/4):[0-5][0-9]( UTC)?",
        ),
        _ if expected.starts_with("the name of a machine") => Just(toml::Value::from("devm-x86_64")).boxed(),
        _ => panic!("no values for an option that expects {expected}"),
    }
}

/// `a port, 1 to 65535`
fn range(expected: &str) -> Option<(i64, i64)> {
    let (before, most) = expected.rsplit_once(" to ")?;
    Some((before.rsplit(' ').next()?.parse().ok()?, most.parse().ok()?))
}

/// A node with these settings, beside snake oil.
fn node(settings: &[(&str, &str, toml::Value)]) -> String {
    let mut text = BASE.to_owned();
    let modules: BTreeSet<&str> =
        settings.iter().map(|(module, ..)| *module).chain(["vault", "login"]).collect();
    for module in modules {
        text += &format!("[{module}]\n");
        let own = settings.iter().rev().filter(|(other, ..)| *other == module);
        let mut seen = BTreeSet::new();
        for (_, key, value) in own.filter(|(_, key, _)| seen.insert(*key)) {
            text += &format!("{key} = {value}\n");
        }
        let defaults = [("vault", "snakeoil", "true"), ("login", "mode", "\"standard\"")];
        for (_, key, value) in
            defaults.iter().filter(|(other, key, _)| *other == module && !seen.contains(key))
        {
            text += &format!("{key} = {value}\n");
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        judge(&text);
    }

    #[test]
    fn any_text_after_a_node_is_judged(text in hostile()) {
        judge(&format!("{BASE}{text}"));
        judge(&format!("{BASE}[login]\n{text}"));
    }

    #[test]
    fn any_value_of_any_option_is_judged(one in setting()) {
        judge(&node(&[one]));
    }
}

#[test]
fn values_that_fit_render_what_the_programs_take() {
    let rendered = Cell::new(0);
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let judged = TestRunner::new(config).run(&prop::collection::vec(fitting_setting(), 1..8), |settings| {
        let text = node(&settings);
        if judge(&text) {
            rendered.set(rendered.get() + 1);
            if rendered.get() % (CASES / SAMPLE) == 1 {
                passes(&text);
            }
        }
        Ok(())
    });
    judged.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(rendered.get() > CASES / 4, "many of them are sound: {} of {CASES}", rendered.get());
}

/// The programs take what is rendered.
fn passes(text: &str) {
    let Ok(resolved) = resolve(text) else { panic!("a sound node") };
    let tree = resolved.tree();
    let outcomes = checkers::run(&resolved, &tree).expect("a folder");
    let failed: Vec<_> =
        outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_))).collect();
    assert!(failed.is_empty(), "{text}\n{failed:#?}");
}

#[test]
fn a_node_in_which_nothing_is_as_anybody_would_write_it_passes_every_checker() {
    let resolved = match resolve(STRANGE) {
        Ok(resolved) => resolved,
        Err(problems) => {
            panic!("{}", problems.iter().map(|problem| report::render(problem)).collect::<String>())
        }
    };
    let tree = resolved.tree();
    lines_are_whole(&tree);
    let outcomes = checkers::run(&resolved, &tree).expect("a folder");
    let failed: Vec<_> =
        outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_))).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(outcomes.len() > 60, "all of it was looked at: {}", outcomes.len());
}

/// The node above sets every option that needs nothing beside it.
#[test]
fn the_strange_node_leaves_no_option_out() {
    for module in &MODULES {
        for option in module.options().iter().filter(|option| !OF_FILES.contains(&option.key)) {
            assert!(STRANGE.contains(&format!("\n{} = ", option.key)), "{}.{}", module.name, option.key);
        }
    }
}
