//! Nodes of a test, rendered.

use std::{fs, path::Path};

use deploy::{
    node::{NodeFile, Variant},
    pipeline,
    system::Content,
    tree::Tree,
    value::AbsolutePath,
};

/// The dev VM without the service stack, with these tables besides.
pub fn dev_vm(tables: &str) -> Tree {
    let text = format!(
        "architecture = \"x86_64\"\nplatform = \"devm\"\nhost-name = \"devm\"\n\
         [vault]\nsnakeoil = true\n[login]\nmode = \"standard\"\n{tables}"
    );
    of("devm-x86_64", &text)
}

/// Any node.
pub fn of(name: &str, text: &str) -> Tree {
    let files = [NodeFile::from_text(name, "node.toml", text)];
    match pipeline::resolve(&files, Variant::Run) {
        Ok(resolved) => resolved.tree(),
        Err(problems) => panic!("{:?}", problems.iter().map(ToString::to_string).collect::<Vec<_>>()),
    }
}

/// The text of a file that is there.
pub fn text<'a>(tree: &'a Tree, path: &'static str) -> &'a str {
    match tree.files.get(&AbsolutePath::known(path)) {
        Some(Content::Text(text)) => text,
        other => panic!("{path} is {other:?}"),
    }
}

/// Writes a text to a file that is not there yet.
pub fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
