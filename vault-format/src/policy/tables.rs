//! Reading a policy of very many secrets in a fraction of the time that a parser of TOML takes.
//!
//! A table of a secret is plain if it has nothing but comments and `key = value` on a line each, where a value is a
//! string without escapes, a list of such, or `true` or `false`. Plain tables are read here; the parser of TOML gets
//! the text without them. Of several that follow each other it gets the first one's header. It tells that the
//! parser was neither in a string nor in a list there, so what was left out is what it looks like. Where anything
//! is not as it should be, nothing comes of it, and the parser of TOML gets the whole text and says why.

use toml::Spanned;

use super::{Kind, raw};

/// The shape of a policy, if that can be told with certainty. What comes from here knows no places.
pub(super) fn read(text: &str) -> Option<raw::Policy> {
    // What goes over several lines could hold anything.
    if text.contains("\"\"\"") || text.contains("'''") {
        return None;
    }
    let (mut others, mut plain) = (String::new(), Vec::new());
    let mut follows_plain = false;
    for table in tables(text) {
        let read = plain_table(table);
        match &read {
            None => others.push_str(table),
            Some(_) if follows_plain => {}
            Some(_) => others.extend(table.split_inclusive('\n').next()),
        }
        let is_first = read.is_some() && !follows_plain;
        follows_plain = read.is_some();
        plain.extend(read.map(|(name, secret)| (name, secret, is_first)));
    }
    let mut policy: raw::Policy = toml::from_str(&others).ok()?;
    for (name, secret, is_first) in plain {
        let before = policy.secret.insert(Spanned::new(0..0, name.to_owned()), secret);
        if before != is_first.then(raw::Secret::default) {
            return None;
        }
    }
    Some(policy)
}

/// The text in parts that begin with a line that begins with a bracket, but for the first.
fn tables(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (table, after) = rest.split_at(rest.find("\n[").map_or(rest.len(), |at| at + 1));
        rest = after;
        (!table.is_empty()).then_some(table)
    })
}

/// The name and the keys of a plain table of a secret.
fn plain_table(table: &str) -> Option<(&str, raw::Secret)> {
    let mut lines = table.strip_prefix("[secret.")?.strip_suffix('\n')?.split('\n');
    let name = name(lines.next()?.strip_suffix(']')?)?;
    let (mut secret, mut seen) = (raw::Secret::default(), Vec::new());
    for line in lines.filter(|line| !is_nothing(line)) {
        let (key, value) = line.split_once(" = ")?;
        if seen.contains(&key) {
            return None;
        }
        seen.push(key);
        put(&mut secret, key, value)?;
    }
    Some((name, secret))
}

/// Puts a value where it belongs.
fn put(secret: &mut raw::Secret, key: &str, value: &str) -> Option<()> {
    match key {
        "kind" => {
            let kind = string(value)?;
            secret.kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        }
        "description" => secret.description = Some(string(value)?.to_owned()),
        "from" => secret.from = Some(spanned(string(value)?)),
        "audience" => secret.audience = Some(list(value)?),
        "owner" => secret.owner = Some(spanned(string(value)?)),
        "group" => secret.group = Some(spanned(string(value)?)),
        "mode" => secret.mode = Some(spanned(string(value)?)),
        "world-readable" => secret.world_readable = boolean(value)?,
        "services" => secret.services = Some(list(value)?),
        "on-change" => secret.on_change = Some(list(value)?),
        _ => return None,
    }
    Some(())
}

/// An empty line, or a comment.
fn is_nothing(line: &str) -> bool {
    line.is_empty() || line.strip_prefix('#').is_some_and(|comment| comment.bytes().all(is_text))
}

/// A key of TOML, bare or quoted.
fn name(key: &str) -> Option<&str> {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    string(key).or_else(|| (!key.is_empty() && key.bytes().all(is_bare)).then_some(key))
}

/// What stands between quotes, where no byte means anything else.
fn string(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    inner.bytes().all(|byte| is_text(byte) && byte != b'"' && byte != b'\\').then_some(inner)
}

/// No control character.
fn is_text(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f
}

fn list(value: &str) -> Option<Vec<Spanned<String>>> {
    match value.strip_prefix('[')?.strip_suffix(']')? {
        "" => Some(Vec::new()),
        // A string with a comma and a space in it is cut in two, which are none.
        inner => inner.split(", ").map(|item| string(item).map(spanned)).collect(),
    }
}

fn boolean(value: &str) -> Option<bool> {
    match value {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn spanned(text: &str) -> Spanned<String> {
    Spanned::new(0..0, text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{raw, read};

    const POLICY: &str = r#"version = 1

[recipients]
alice = { kind = "person", keys = ["age1gye3k9xdwclzjlxvky74h6cdzh6vh88m6lax3chvfsdpshz3zfuqn367l2"] }
ops = [
    "alice",
]

[defaults]
audience = ["ops"]

[secret.a]

[secret."b/c"]
# As it is.
kind = "password"
description = "ü, = [secret.x]"
audience = ["ops", "alice"]
owner = "nginx"
group = "101"
mode = "0444"
world-readable = true
services = ["nginx.service"]
on-change = []

[secret.d]
expires = 2027-03-01
kind = "opaque"

[view."v"]
of = "a"

[secret.e]
from = "a"
rotate-after = "180d"

[secret."f"]
kind = "opaque"

[secret.g]
"#;

    /// What is read here is what the parser of TOML says.
    fn parsed(text: &str) -> Result<raw::Policy, String> {
        let whole = toml::from_str::<raw::Policy>(text).map_err(|error| error.to_string());
        if let Some(policy) = read(text) {
            let whole = whole.as_ref().unwrap_or_else(|error| panic!("{text} was taken: {error}"));
            assert_eq!(without_places(&policy), without_places(whole), "{text}");
        }
        whole
    }

    /// The policy in words, without where each of them stands.
    fn without_places(policy: &raw::Policy) -> String {
        let shown = format!("{policy:?}");
        let mut parts = shown.split("span: ");
        let first = parts.next().unwrap_or_default().to_owned();
        let rest = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'));
        rest.fold(first, |words, part| words + part)
    }

    #[test]
    fn a_policy_is_what_it_is_as_a_whole() {
        assert!(parsed(POLICY).is_ok() && read(POLICY).is_some());
        let with = |line: &str| POLICY.replacen("[secret.a]\n", &format!("{line}\n[secret.a]\n"), 1);
        for line in [
            "[secret.\"a\"]",
            "[secret.g]",
            "[secret.g]\nexpires = 2027-03-01",
            "[secret.a.b]",
            "[secret.g.b]",
            "[[secret]]",
            "[[secret.a]]",
            "x = [",
            "x = [\n[\"a\"],",
            "x = {",
            "x = \"\"\"",
            "x = '''",
            "[secret]\ng = {}",
            "[secret]\na.kind = \"opaque\"",
        ] {
            parsed(&with(line)).unwrap_err();
            assert!(read(&with(line)).is_none(), "{line} was taken");
        }
        for line in ["secret = {}", "secret.a = {}", "secret.g.kind = \"opaque\"", "x = [\n["] {
            parsed(&POLICY.replacen("\n[recipients]", &format!("{line}\n[recipients]"), 1)).unwrap_err();
        }
        parsed(&with("[secret]\nx = {}")).unwrap();
        for (from, to) in [
            ("kind = \"password\"", "kind = \"pass\""),
            ("kind = \"password\"", "kind = \"password\"\nkind = \"password\""),
            ("kind = \"password\"", "kin = \"password\""),
            ("world-readable = true", "world-readable = \"true\""),
            ("audience = [\"ops\", \"alice\"]", "audience = \"ops\""),
        ] {
            assert!(POLICY.contains(from));
            parsed(&POLICY.replace(from, to)).unwrap_err();
        }
    }

    /// Pieces that mean something to one reader or the other.
    fn piece() -> impl Strategy<Value = String> {
        let pieces = [
            "\n",
            "\r\n",
            "\n\n",
            "\"",
            "'",
            "\"\"\"",
            "'''",
            "[",
            "]",
            "[[",
            "]]",
            "{",
            "}",
            "=",
            ".",
            ",",
            "#",
            "\\",
            "\\u0061",
            " ",
            "\t",
            "\u{7f}",
            "\0",
            "é",
            "\u{feff}",
            "a",
            "secret",
            "secret = {}\n",
            "secret.b.kind = \"opaque\"\n",
            "[secret]\n",
            "[secret.b]\n",
            "\n[secret.g]\n",
            "x = [\n",
            "x = {\n",
            "\n]\n",
            "\n}\n",
            "kind = \"opaque\"\n",
            "audience = [\n",
            "[view.x]\n",
            "9",
        ];
        prop_oneof![4 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn whatever_is_changed_is_told_alike(
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, piece()), 1..4),
        ) {
            let mut text = POLICY.to_owned();
            for (at, cut, put) in changes {
                let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
                let at = at.index(places.len());
                let end = places.get(at + cut).copied().unwrap_or(text.len());
                text.replace_range(places[at]..end, &put);
            }
            let _ = parsed(&text);
        }

        #[test]
        fn lines_in_another_order_are_told_alike(
            order in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6),
        ) {
            let mut lines: Vec<&str> = POLICY.split_inclusive('\n').collect();
            for (from, to) in order {
                let line = lines.remove(from.index(lines.len()));
                lines.insert(to.index(lines.len() + 1), line);
            }
            let _ = parsed(&lines.concat());
        }
    }
}
