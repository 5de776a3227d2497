use std::{fs, path::Path};

use deploy::formats::nginx::{Directive, render};
use fixtures::{
    command::{Run, program},
    machine::{self, Need::Program},
    tree,
};

use crate::value;

/// A running Nginx.
struct Server<'a>(&'a Path);

impl<'a> Server<'a> {
    /// What it takes from a folder, and serves there on `socket`.
    fn started(folder: &'a Path, server: Vec<Directive>) -> Self {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary =
            temporary.map(|what| format!("{what}_temp_path {}/{what};\n", folder.display())).concat();
        let configuration = format!(
            "pid {0}/pid;\nerror_log {0}/log;\nworker_processes 1;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}
            default_type text/plain;\nserver {{\nlisten unix:{0}/socket;\n{1}}}\n}}\n",
            folder.display(),
            render(&server)
        );
        fs::write(folder.join("conf"), configuration).expect("a configuration");
        let server = Self(folder);
        server.nginx().succeeds();
        server
    }

    fn nginx(&self) -> Run {
        program("nginx").arg("-e").arg(self.0.join("log")).arg("-c").arg(self.0.join("conf"))
    }

    /// The bodies at these paths, or their first headers.
    fn answers(&self, options: &[&str], paths: impl Iterator<Item = String>) -> Vec<String> {
        let list: String = paths.map(|path| format!("url = \"http://box{path}\"\n")).collect();
        let curl = program("curl").args(["--silent", "--show-error", "--path-as-is", "--config", "-"]);
        let curl =
            curl.arg("--unix-socket").arg(self.0.join("socket")).args(["--write-out", "\\n"]).args(options);
        let text = curl.input(list).succeeds().text();
        text.strip_suffix('\n').map_or_else(Vec::new, |text| text.split('\n').map(str::to_owned).collect())
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // Where it never started, there is nothing to stop.
        let _ = self.nginx().args(["-s", "stop"]).run();
    }
}

fn percent_encoded(path: &str) -> String {
    path.bytes().map(|byte| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02x}") }).collect()
}

/// A path that Nginx has nothing to normalize in.
fn location(value: &str) -> String {
    format!("/l{}", value.replace('/', ""))
}

#[test]
fn nginx_answers_what_was_written() {
    if !machine::has(&[Program("nginx"), Program("curl")]) {
        return;
    }
    value::each(100, |values| {
        let folder = tree::folder();
        let written = value::written(&values, 6, |value| {
            let answer = Directive::new("return").number(200_u16).text(value)?;
            Ok((answer, Directive::new("location").literal("=").text(&location(value))?))
        });
        let by_number = |(number, (_, (answer, _))): (usize, &(&str, (Directive, Directive)))| {
            Directive::new("location").literal(format!("= /n{number}").leak()).block([answer.clone()])
        };
        let numbers = written.iter().enumerate().map(by_number);
        let mut seen = std::collections::BTreeSet::new();
        let distinct: Vec<_> = written.iter().filter(|(value, _)| seen.insert(location(value))).collect();
        let by_path = distinct.iter().map(|(_, (answer, place))| place.clone().block([answer.clone()]));
        let server = Server::started(folder.path(), numbers.chain(by_path).collect());
        let expected: Vec<&str> = written.iter().map(|(value, _)| *value).collect();
        assert_eq!(server.answers(&[], (0..written.len()).map(|number| format!("/n{number}"))), expected);
        let paths = distinct.iter().map(|(value, _)| percent_encoded(&location(value)));
        let expected: Vec<&str> = distinct.iter().map(|(value, _)| *value).collect();
        assert_eq!(server.answers(&[], paths), expected);
    });
}

#[test]
fn nginx_takes_the_longest_argument() {
    if !machine::has(&[Program("nginx"), Program("curl")]) {
        return;
    }
    let folder = tree::folder();
    let longest = "x".repeat(3998);
    let answer = Directive::new("return").number(200_u16);
    assert!(answer.clone().text(&"x".repeat(3999)).is_err());
    let place = Directive::new("location").literal("/").block([answer.text(&longest).expect("an argument")]);
    let server = Server::started(folder.path(), vec![place]);
    assert_eq!(server.answers(&[], ["/".to_owned()].into_iter()), [longest]);
}
