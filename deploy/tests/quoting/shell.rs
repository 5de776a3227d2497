use deploy::formats::shell::words;
use fixtures::{
    command::program,
    machine::{self, Need::Program},
};

use crate::value;

/// What each shell prints of the words.
fn said(shell: &str, values: &[String]) -> Vec<String> {
    let script = format!("printf '%s\\0' {}", words(values).expect("no value holds a NUL"));
    value::split(&program(shell).arg("-c").arg(script).succeeds().output)
}

#[test]
fn a_shell_reads_what_was_written() {
    if !machine::has(&[Program("sh"), Program("bash")]) {
        return;
    }
    value::each(100, |values| {
        assert_eq!(said("sh", &values), values);
        assert_eq!(said("bash", &values), values);
    });
}
