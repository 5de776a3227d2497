use proptest::prelude::*;
use vault_format::report;

use super::*;

const ID: &str = "48aa040835e94f0b73e793dea7151859";

/// Every key there is.
fn all() -> (String, Configuration) {
    let text = format!(
        r#"
vault = "/srv/vault"
identity = ["/etc/age.key", "/etc/ssh/ssh_host_ed25519_key"]
allowed-signers = "/etc/signers"
mountpoint = "/run/secrets"
unsigned = false
allow-snakeoil = true
allow-swappable = true
allow-empty = true
resume-timeout = "1m 30s"
record = "off"
fallback = false
server-user = "secrets"
on-change-units = ["nginx.service"]
vault-id = "{ID}"
min-serial = 7
"#
    );
    let expected = Configuration {
        vault: Some("/srv/vault".into()),
        identity: Some(vec!["/etc/age.key".into(), "/etc/ssh/ssh_host_ed25519_key".into()]),
        allowed_signers: Some("/etc/signers".into()),
        mountpoint: Some("/run/secrets".into()),
        unsigned: Some(false),
        allow_snakeoil: Some(true),
        allow_swappable: Some(true),
        allow_empty: Some(true),
        resume_timeout: Some(Duration::from_secs(90)),
        record: Some(Record::Off),
        fallback: Some(false),
        server_user: Some("secrets".into()),
        on_change_units: Some(vec!["nginx.service".to_owned()]),
        vault_id: Some(VaultId::try_from(ID.to_owned()).expect("an id")),
        min_serial: Some(7),
    };
    (text, expected)
}

fn parse(text: &str) -> Result<Configuration, ConfigurationError> {
    Configuration::parse(text, "vaultd.toml")
}

#[test]
fn every_key_is_understood_and_none_is_needed() {
    let (text, expected) = all();
    assert_eq!(parse(&text).expect("sound"), expected);
    assert_eq!(parse("").expect("sound"), Configuration::default());
    let one = parse("identity = \"/etc/age.key\"").expect("sound");
    assert_eq!(one.identity, Some(vec!["/etc/age.key".into()]));
    let configured = expected.configured();
    assert_eq!((configured.vault_id, configured.min_serial), (expected.vault_id, Some(7)));
}

#[test]
fn errors_show_the_place_and_what_to_write() {
    let cases = [
        ("vualt = \"/srv/vault\"", "1:1", "unknown field `vualt`", "expected one of `vault`"),
        ("\n[mount]\nvault = \"/a\"", "2:2", "unknown field `mount`", "expected one of"),
        ("vault = \"srv\"", "1:9", "a relative path", "begins with /"),
        ("vault = 1", "1:9", "invalid type: integer `1`", "expected"),
        ("fallback = false\nidentity = []", "2:12", "an empty list", "one path or a list"),
        ("identity = [\"/a\", \"b\"]", "1:12", "a relative path", "begins with /"),
        ("identity = 7", "1:12", "no path", "one path or a list"),
        ("allowed-signers = \"\"", "1:19", "a relative path", "begins with /"),
        ("mountpoint = \"run/vault\"", "1:14", "a relative path", "begins with /"),
        ("resume-timeout = \"soon\"", "1:18", "not a span of time", "10s"),
        ("resume-timeout = \"0s\"", "1:18", "not a span of time", "10s"),
        ("resume-timeout = 10", "1:18", "invalid type: integer `10`", "expected a string"),
        ("record = \"never\"", "1:10", "unknown variant `never`", "`on` or `off`"),
        ("fallback = \"no\"", "1:12", "invalid type: string", "expected a boolean"),
        ("vault-id = \"48AA\"", "1:12", "a vault id is 32 lower-case", "hint"),
        ("min-serial = -1", "1:14", "invalid value: integer `-1`", "expected u64"),
        ("fallback = false\nfallback = true", "2:1", "duplicate key", "hint"),
        ("vault = ", "1:9", "", "hint"),
        (
            "\nunsigned = true\nallowed-signers = \"/a\"",
            "2:1",
            "by its signers or unsigned",
            "expected `unsigned`",
        ),
    ];
    for (text, place, what, expected) in cases {
        let shown = report::render(&parse(text).expect_err(text));
        assert!(shown.contains(&format!("vaultd.toml:{place}]")), "{place}: {shown}");
        assert!(shown.contains(what), "{what}: {shown}");
        let expected = if expected == "hint" { "hint: " } else { expected };
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

#[test]
fn only_the_file_of_everybody_may_be_missing() {
    let temp = tempfile::tempdir().expect("a folder");
    let path = temp.path().join("vaultd.toml");
    let missing = Configuration::find(Some(&path)).expect_err("a missing file");
    assert!(matches!(missing, ConfigurationError::Read { .. }), "{missing}");
    let (text, expected) = all();
    std::fs::write(&path, text).expect("a file");
    assert_eq!(Configuration::find(Some(&path)).expect("sound"), expected);
    std::fs::write(&path, "vault = 1").expect("a file");
    let shown = report::render(&Configuration::find(Some(&path)).expect_err("no path"));
    assert!(shown.contains(&format!("{}:1:9", path.display())), "{shown}");
    std::fs::write(&path, b"\xff").expect("a file");
    assert!(matches!(Configuration::find(Some(&path)), Err(ConfigurationError::Read { .. })));
}

#[test]
fn flags_win() {
    let (_, file) = all();
    let none = Configuration::default;
    assert_eq!(none().or(file.clone()), file);
    assert_eq!(file.clone().or(none()), file);
    let flags = Configuration {
        vault: Some("/other".into()),
        identity: Some(vec!["/other.key".into()]),
        fallback: Some(true),
        ..none()
    };
    let expected = Configuration {
        vault: flags.vault.clone(),
        identity: flags.identity.clone(),
        fallback: Some(true),
        ..file.clone()
    };
    assert_eq!(flags.or(file), expected);
}

/// Of signers and `unsigned`, a flag for one puts out the other of the file.
#[test]
fn signed_or_not_is_decided_in_one_place() {
    let signed = || Configuration { allowed_signers: Some("/a".into()), ..Configuration::default() };
    let unsigned = || Configuration { unsigned: Some(true), ..Configuration::default() };
    assert_eq!(signed().or(unsigned()), signed());
    assert_eq!(unsigned().or(signed()), unsigned());
    assert_eq!(Configuration::default().or(unsigned()), unsigned());
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_an_error_that_can_be_shown(
        text in "((vault|identity|record|min-serial|unsigned|\\[x\\]|ü) ?= ?(\"/?[a-z\u{1b}]{0,3}\"|true|-?[0-9]{1,20}|\\[\\])?\n?){0,4}",
    ) {
        if let Err(error) = parse(&text) {
            let shown = report::render(&error);
            prop_assert!(!shown.contains('\x1b'), "{:?}", shown);
        }
    }

    #[test]
    fn spans_of_time_are_never_none(seconds in 0..1_000_000_u64) {
        let span = parse_duration(&format!("{seconds}s")).ok();
        prop_assert_eq!(span, (seconds > 0).then(|| Duration::from_secs(seconds)));
    }
}
