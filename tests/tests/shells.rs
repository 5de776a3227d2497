//! Completions that shells take, a manual with a page for each verb, and a graph.

use fixtures::{
    command::{odbox, program, vaultgen},
    machine::{self, Need::Program},
    tree,
    vault::{self, Vault},
};

#[test]
fn bash_completes_verbs_and_flags() {
    if !machine::has(&[Program("bash")]) {
        return;
    }
    let ask = r#"
        source <("$0" completions bash)
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _vaultgen vaultgen "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let complete = |words: &[&str]| {
        let bash = program("bash").args(["-c", ask]).arg(odbox("vaultgen")).arg("vaultgen").args(words);
        bash.succeeds().text()
    };
    assert_eq!(complete(&["mer"]).trim(), "merge");
    assert_eq!(complete(&["merge", "--pre"]).trim(), "--prefer");
    assert_eq!(complete(&["recipients", "rem"]).trim(), "remove");
}

#[test]
fn every_shell_has_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        vaultgen().args(["completions", shell]).succeeds().says("vaultgen").says("recipients");
    }
}

#[test]
fn every_verb_has_a_page() {
    let folder = tree::folder();
    vaultgen().arg("man").arg(folder.path()).succeeds();
    let help = vaultgen().arg("--help").succeeds().text();
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let verbs = verbs.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let verbs: Vec<&str> = verbs.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() > 15, "{help}");
    for verb in verbs.into_iter().filter(|verb| *verb != "help") {
        let page = folder.path().join(format!("vaultgen-{verb}.1"));
        let page = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{verb}: {error}"));
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH DESCRIPTION"), "{verb}");
    }
}

#[test]
fn the_graph_says_what_depends_on_what() {
    let vault = Vault::copy_of(&vault::snake_oil());
    let graph = vaultgen().args(["graph", "--vault"]).arg(vault.path()).succeeds();
    graph
        .says(r#""passwords/root.txt" -> "passwords/root.yesc" [label = "derived"];"#)
        .says(r#""certs/vault-ca-cert.pem" -> "certs/localhost-cert.pem" [label = "signs"];"#)
        .says(r#""certs/localhost-cert.pem" -> "certs/localhost-key.pem" [label = "key"];"#)
        .says(r#" -> "ssh/id_ed25519" [label = "decrypts"];"#);
    if machine::has(&[Program("dot")]) {
        program("dot").arg("-Tsvg").input(graph.output.clone()).succeeds().says("</svg>");
    }
}
