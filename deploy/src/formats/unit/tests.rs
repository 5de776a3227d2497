use super::{UnitFile, Word};

/// A directive as written, or the reason why not.
fn service(write: impl FnOnce(&mut super::Section<'_>) -> Result<(), super::Unwritable>) -> String {
    let mut unit = UnitFile::new();
    match write(&mut unit.section("Service")) {
        Ok(()) => unit.render().trim_start_matches("[Service]\n").trim_end().to_owned(),
        Err(error) => error.reason.to_owned(),
    }
}

fn command(argv: &[&str]) -> String {
    service(|section| section.command("ExecStart", argv).map(drop))
}

fn words(key: &'static str, values: &[&str]) -> String {
    service(|section| section.words(key, values).map(drop))
}

#[test]
fn a_section_that_is_mentioned_again_goes_on() {
    let mut unit = UnitFile::new();
    unit.section("Unit").set("Documentation", "man:odoo(1)");
    unit.section("Service").comment("Why.").set("Type", "exec").number("TimeoutSec", 5_u32);
    unit.section("Unit").set("DefaultDependencies", "no");
    assert_eq!(
        unit.render(),
        "[Unit]\nDocumentation=man:odoo(1)\nDefaultDependencies=no\n\n[Service]\n# Why.\nType=exec\nTimeoutSec=5\n"
    );
    assert_eq!(unit.get("Service", "Type"), ["exec"]);
    assert!(unit.get("Install", "Type").is_empty());
}

#[test]
fn a_command_line_gives_nothing_away() {
    assert_eq!(command(&["/bin/a", "b c", "$x", "%d", ";", ""]), r#"ExecStart=/bin/a "b c" $$x %%d ";" """#);
    assert_eq!(command(&["/bin/a", "\"'\\\n\u{1}"]), r#"ExecStart=/bin/a "\"'\\\n\x01""#);
    assert_eq!(command(&["/opt/a b/100%"]), r#"ExecStart="/opt/a b/100%%""#);
}

#[test]
fn a_program_has_no_prefix_by_accident() {
    for program in ["-/bin/a", "@/bin/a", "!!/bin/a", "+/bin/a", ":/bin/a", "", "a"] {
        assert_eq!(command(&[program]), "a program is an absolute path", "{program}");
    }
    assert_eq!(command(&["/bin/$a"]), "the name of a program cannot hold a `$`");
    assert_eq!(command(&[]), "a command line has a program");
}

#[test]
fn our_own_words_keep_specifiers_and_variables() {
    let argv = [
        Word::Literal("+/bin/kill"),
        Word::Literal("$MAINPID"),
        Word::Literal("%d/a b"),
        Word::Prefixed("%d/", "50%$".to_owned()),
    ];
    assert_eq!(
        service(|section| section.command("ExecReload", &argv).map(drop)),
        r#"ExecReload=+/bin/kill $MAINPID "%d/a b" %d/50%%$$"#
    );
}

#[test]
fn a_list_is_quoted_as_its_directive_reads_it() {
    assert_eq!(words("After", &["a.service", r"b\x2dc.mount"]), r"After=a.service b\x2dc.mount");
    assert_eq!(words("After", &["a b.service"]), "it holds what no name of a unit can hold");
    assert_eq!(words("ReadWritePaths", &["/a b", "/c\"\\"]), r#"ReadWritePaths="/a b" "/c\"\\""#);
    assert_eq!(words("StateDirectory", &["a b", "c"]), r#"StateDirectory="a b" c"#);
    assert_eq!(words("SystemCallFilter", &["@system-service"]), "SystemCallFilter=@system-service");
    assert_eq!(words("ReadWritePaths", &[]), "");
}

#[test]
fn what_a_list_reads_at_the_start_or_between_colons_is_ours() {
    assert_eq!(words("ReadWritePaths", &["-/a"]), "it is no absolute path");
    assert_eq!(words("BindPaths", &["/a:/b"]), "its colons would separate source and destination");
    let ours = [Word::Literal("/a b:/c:norbind"), Word::Prefixed("-", "/d e".to_owned())];
    assert_eq!(
        service(|section| section.words("BindPaths", &ours).map(drop)),
        r#"BindPaths="/a b":/c:norbind "-/d e""#
    );
    assert_eq!(
        service(|section| section.bind("BindPaths", "/a:c", "/d").map(drop)),
        r#"BindPaths="/a:c":/d"#
    );
}

#[test]
fn free_text_is_what_the_line_can_hold() {
    let text = |value| service(|section| section.text("Description", value).map(drop));
    assert_eq!(text(r#"100% "a\b" #;"#), r#"Description=100%% "a\b" #;"#);
    assert_eq!(text("a\\"), "the backslash at its end would continue the line");
    assert_eq!(text("a\nb"), "it holds a line break or another control character");
    assert_eq!(text(" a"), "spaces around it would be cut off");
}

#[test]
fn an_environment_takes_everything_but_a_nul() {
    let environment = |value| service(|section| section.environment("A", value).map(drop));
    assert_eq!(environment("$x %y\n'"), r#"Environment="A=$x %%y\n'""#);
    assert_eq!(environment("\0"), "it holds a NUL");
}

#[test]
fn a_calendar_time_has_no_specifiers() {
    let calendar = |value| service(|section| section.calendar(value).map(drop));
    assert_eq!(
        calendar("Mon..Fri *-*-* 02:00/30 Europe/Amsterdam"),
        "OnCalendar=Mon..Fri *-*-* 02:00/30 Europe/Amsterdam"
    );
    assert_eq!(calendar("%H:00"), "it is no calendar time");
}
