use std::fs;

use deploy::formats::ini::IniFile;
use fixtures::{
    command::program,
    machine::{self, Need::Program},
    tree,
};

use crate::value;

/// Prints, as JSON, the option of every file, as Odoo reads its own.
const READER: &str = "import configparser, json, sys
values = []
for number in range(int(sys.argv[2])):
    reader = configparser.RawConfigParser()
    reader.read([f'{sys.argv[1]}/{number}'])
    assert reader.sections() == ['options'] and reader.options('options') == ['v', 'w']
    assert reader.get('options', 'w') == '1'
    values.append(reader.get('options', 'v'))
print(json.dumps(values))";

#[test]
fn configparser_reads_what_was_written() {
    if !machine::has(&[Program("python3")]) {
        return;
    }
    value::each(200, |values| {
        let folder = tree::folder();
        let written = value::written(&values, 4, |value| {
            let mut file = IniFile::new();
            file.section("options").comment("Why.").text("v", value)?.number("w", 1_u8);
            Ok(file.render())
        });
        for (number, (_, file)) in written.iter().enumerate() {
            fs::write(folder.path().join(number.to_string()), file).expect("a file");
        }
        let reader =
            program("python3").args(["-c", READER]).arg(folder.path()).arg(written.len().to_string());
        let read: Vec<String> = serde_json::from_slice(&reader.succeeds().output).expect("JSON");
        let expected: Vec<&str> = written.iter().map(|(value, _)| *value).collect();
        assert_eq!(read, expected);
    });
}
