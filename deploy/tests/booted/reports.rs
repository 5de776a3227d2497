//! The program that prints Odoo's reports, in the sandbox of Odoo's service as it is rendered.
//!
//! It runs this machine's `wkhtmltopdf`, since a root of Debian 11 takes minutes to make; the rest is as it will be.

use std::fs;

use deploy::node::Variant;
use fixtures::machine::{
    self,
    Need::{File, Program},
};

use crate::machine::{Machine, NEEDS, shared};

/// What of Odoo's service is not its sandbox, or is not there: its command, its root, its secrets, and whom it waits for.
const LEFT_OUT: [&str; 9] = [
    "Type=",
    "ExecStart=",
    "Restart",
    "RootDirectory=",
    "Requires=",
    "Wants=",
    "After=",
    "LoadCredential=",
    "BindReadOnlyPaths=/run/postgresql",
];

/// Two services of that sandbox.
const COMMANDS: [(&str, &str); 2] = [
    (
        "print",
        "wkhtmltopdf --disable-local-file-access --quiet --margin-top 40 --header-spacing 10 \
         --header-html header.html body.html out.pdf",
    ),
    ("paint", "wkhtmltoimage --quiet --format png body.html out.png"),
];

const DOCUMENTS: &str = r#"
cd /var/lib/odoo
echo '<!DOCTYPE html><script>
function number() {
    document.getElementById("n").textContent = document.location.search.split("&").slice(0, 3).join(" ");
}
</script><body onload="number()"><span id="n"></span></body>' >header.html
echo '<!DOCTYPE html><body><p style="page-break-after: always">one</p><p>two</p></body>' >body.html
systemctl start print.service paint.service
pdftotext out.pdf - | grep -oE '.page=.*|one|two'
stat --format='%U %a' out.pdf
head --bytes=4 out.png | tail --bytes=3; echo
journalctl --quiet --identifier=sh --unit=print.service --output=cat
"#;

#[test]
fn reports_are_printed_within_odoos_sandbox() {
    let needs = [
        Program("wkhtmltopdf"),
        Program("wkhtmltoimage"),
        Program("pdftotext"),
        File("/usr/lib/python3/dist-packages/PyPDF2", "python3-pypdf2"),
    ];
    if !machine::has(&NEEDS) || !machine::has(&needs) {
        return;
    }
    // Debian 13 has none.
    if !shared("/usr/bin/wkhtmltopdf").exists() {
        return machine::skip("the machine's programs are of a release without wkhtmltopdf");
    }
    let machine = Machine::of("[service-stack]\n", Variant::Run);
    let unit = fs::read_to_string(machine.path("/etc/systemd/system/odoo.service")).expect("a unit");
    assert!(unit.contains("MemoryDenyWriteExecute=yes\n") && unit.contains("SystemCallFilter="), "{unit}");
    let kept = unit.lines().filter(|line| !LEFT_OUT.iter().any(|left_out| line.starts_with(left_out)));
    let sandbox = kept.collect::<Vec<_>>().join("\n");
    for (name, command) in COMMANDS {
        let unit = format!("{sandbox}\nType=oneshot\nExecStart=/bin/sh -c '{command}'\n");
        machine.write(&format!("/etc/systemd/system/{name}.service"), &unit);
    }
    machine.write(
        "/etc/fonts/fonts.conf",
        "<fontconfig><dir>/usr/share/fonts</dir><cachedir>/tmp</cachedir></fontconfig>\n",
    );
    let said = machine.tells(DOCUMENTS);
    let pages = "?page=1 frompage=1 topage=2\none\n?page=2 frompage=1 topage=2\ntwo\n";
    // And nothing is said, which Odoo would log.
    assert_eq!(said, format!("{pages}odoo 600\nPNG\ndone\n"));
}
