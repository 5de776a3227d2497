//! The copy that Nginx looks at: what stands there for what is on the machine alone.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Directive,
    configuration::{parse, render, unquoted},
};
use crate::checkers::{Subject, Verdict, stand_in::certified};

/// Files that Nginx reads certificates and keys from.
const TLS: [&str; 8] = [
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_trusted_certificate",
    "ssl_client_certificate",
    "proxy_ssl_certificate",
    "proxy_ssl_certificate_key",
    "proxy_ssl_trusted_certificate",
    "ssl_stapling_file",
];
/// Files and folders that Nginx writes to.
const WRITTEN: [&str; 4] = ["pid", "lock_file", "error_log", "access_log"];
/// The least port that everybody may listen on.
const UNPRIVILEGED: u16 = 1024;
/// What is added to a port below that.
const ABOVE: u16 = 40000;

/// A configuration with stand-ins, and where they are.
pub(super) struct Stage<'a> {
    subject: &'a Subject<'a>,
    folder: &'a Path,
    pem: PathBuf,
}

impl<'a> Stage<'a> {
    /// Makes a certificate, with its key in the same file.
    pub fn new(subject: &'a Subject<'a>, folder: &'a Path) -> Result<Self, Verdict> {
        let pem = folder.join("stand-in.pem");
        let made = certified()?;
        fs::write(&pem, [made.key.expose(), made.certificate.expose()].concat())?;
        Ok(Self { subject, folder, pem })
    }

    /// The configuration with the stand-ins; as it is, if it cannot be read.
    pub fn copy(&self, text: &str) -> String {
        let Some(directives) = parse(text) else { return text.to_owned() };
        let mut directives = self.replaced(directives);
        directives.extend(self.defaults(&directives));
        render(&directives)
    }

    fn replaced(&self, directives: Vec<Directive>) -> Vec<Directive> {
        let kept = directives.into_iter().filter(|directive| directive.name() != "user");
        kept.map(|directive| self.one(directive)).collect()
    }

    fn one(&self, directive: Directive) -> Directive {
        let name = directive.name().to_owned();
        let block = directive.block.map(|block| {
            let mut block = self.replaced(block);
            if name == "http" {
                block.extend(self.defaults_of_http(&block));
            }
            block
        });
        let words = directive.words.into_iter().enumerate();
        let words =
            words.map(|(at, word)| if at == 0 { word } else { self.argument(&name, at, word) }).collect();
        Directive { words, block }
    }

    fn argument(&self, name: &str, at: usize, word: String) -> String {
        let path = unquoted(&word);
        match name {
            "listen" if at == 1 => lifted(&word),
            _ if !path.starts_with('/') => word,
            _ if TLS.contains(&name) => quoted(&self.pem),
            _ if at == 1 && is_written(name) => quoted(&self.scratch(&path)),
            _ if self.is_in_tree(&path) => quoted(&self.subject.at(&path)),
            _ => word,
        }
    }

    /// A file of the check's own for one that Nginx writes to.
    fn scratch(&self, path: &str) -> PathBuf {
        match path {
            "/dev/stdout" | "/dev/stderr" | "/dev/null" => path.into(),
            _ => self.folder.join(path.trim_start_matches('/').replace('/', "-")),
        }
    }

    fn is_in_tree(&self, path: &str) -> bool {
        // What is included may be a pattern.
        let fixed = path.split(['*', '?', '[']).next().unwrap_or(path);
        self.subject.tree.files.keys().any(|file| file.as_str().starts_with(fixed))
    }

    /// Where Nginx writes to if nothing is said, which is not for us.
    fn defaults(&self, said: &[Directive]) -> Vec<Directive> {
        self.unsaid(said, &["pid"])
    }

    fn defaults_of_http(&self, said: &[Directive]) -> Vec<Directive> {
        const TEMPORARY: [&str; 5] = [
            "client_body_temp_path",
            "proxy_temp_path",
            "fastcgi_temp_path",
            "uwsgi_temp_path",
            "scgi_temp_path",
        ];
        let mut unsaid = self.unsaid(said, &TEMPORARY);
        unsaid.extend(self.unsaid(said, &["access_log"]));
        unsaid
    }

    fn unsaid(&self, said: &[Directive], names: &[&str]) -> Vec<Directive> {
        let unsaid = names.iter().filter(|name| said.iter().all(|directive| directive.name() != **name));
        let here = |name: &&str| Directive {
            words: vec![(*name).to_owned(), quoted(&self.folder.join(name))],
            block: None,
        };
        unsaid.map(here).collect()
    }
}

fn is_written(name: &str) -> bool {
    WRITTEN.contains(&name) || name.ends_with("_temp_path") || name.ends_with("_cache_path")
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// What is listened on, by a port that is anybody's.
fn lifted(listen: &str) -> String {
    let (address, port) = match listen.rsplit_once(':') {
        Some((address, port)) => (format!("{address}:"), port),
        None => (String::new(), listen),
    };
    match port.parse::<u16>() {
        Ok(port) if port < UNPRIVILEGED => format!("{address}{}", port + ABOVE),
        _ => listen.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::lifted;

    #[test]
    fn a_port_below_1024_is_lifted() {
        let cases = [
            ("80", "40080"),
            ("[::]:443", "[::]:40443"),
            ("*:8443", "*:8443"),
            ("unix:/run/x", "unix:/run/x"),
        ];
        for (listen, expected) in cases {
            assert_eq!(lifted(listen), expected, "{listen}");
        }
    }
}
