use super::{Sysusers, Tmpfiles, Unwritable};

fn reason<T: std::fmt::Debug>(line: Result<T, Unwritable>) -> &'static str {
    line.expect_err("not a field").reason
}

fn user() -> Sysusers {
    Sysusers::new("u", "odoo").expect("a name").literal("-")
}

#[test]
fn a_field_is_quoted_where_it_needs_quotes() {
    let line = user().text(r#"100% "a\b""#).expect("a text").text("/var/lib/odoo").expect("a home");
    assert_eq!(line.render(), "u odoo - \"100%% \\\"a\\\\b\\\"\" /var/lib/odoo\n");
}

#[test]
fn what_passwd_cannot_hold_is_refused() {
    assert_eq!(reason(user().text("a:b")), "it holds a colon, which separates the fields of passwd(5)");
    assert_eq!(reason(user().text("a\nb")), "it holds a line break or another control character");
    assert_eq!(reason(user().text("-")), "it reads as a field that is left out");
    for name in ["", "1a", "a b", "a.b", "é", "-a", "abcdefghijklmnopqrstuvwxyzabcdef"] {
        assert_eq!(reason(Sysusers::new("u", name)), "systemd gives no user or group that name", "{name}");
    }
}

#[test]
fn an_argument_has_escapes_instead_of_quotes() {
    let argument = |text| {
        let line = Tmpfiles::new("f", "/a").expect("a path").literal("- - - -");
        line.argument(text).expect("an argument").render()
    };
    assert_eq!(argument("a \"b\\%\n"), "f /a - - - - a \"b\\\\%%\\x0a\n");
    assert_eq!(argument(" a "), "f /a - - - - \\x20a\\x20\n");
    assert_eq!(argument("-"), "f /a - - - - \\x2d\n");
}

#[test]
fn no_path_becomes_a_pattern() {
    assert_eq!(Tmpfiles::new("d", "/a*").expect("a path").render(), "d \"/a*\"\n");
    assert_eq!(reason(Tmpfiles::new("R!", "/a*")), "it would be read as a pattern");
    assert_eq!(reason(Tmpfiles::new("d", "a")), "it is no absolute path");
}
