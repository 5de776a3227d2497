//! Each finding is explained, and nothing else.

use std::fs;

use vault_format::audit::Code;

#[test]
fn each_code_has_a_section_with_its_severity_and_its_remedy() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/findings.md");
    let text = fs::read_to_string(file).expect("a document");
    let sections: Vec<&str> = text.split("\n## ").skip(1).collect();
    let headings: Vec<&str> = sections.iter().filter_map(|section| section.lines().next()).collect();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(headings, codes);
    for (code, section) in Code::ALL.iter().zip(sections) {
        assert!(section.contains(&format!("\n**{}.** {}\n", code.severity(), code.title())), "{code}");
        assert!(section.contains(&format!("\n- What to do: {}.\n", code.remedy())), "{code}");
    }
}
