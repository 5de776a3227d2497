//! Joining two policies that were changed side by side, table by table and key by key.
//!
//! What only one of both changed is taken. Lists of names and keys are joined item by item: what one
//! added comes in, and what one took out stays out. Where both changed the same value, somebody has to
//! decide. Comments and order are those of our side; what the other brings comes with its own.

use toml_edit::{Array, DocumentMut, Item, Key, TableLike, TomlError, Value};

use crate::merge::Side;

/// Joins `ours` and `theirs`, which both descend from `base`. `decide` is asked for each key that both
/// changed, by its path.
///
/// # Errors
///
/// If a text is not TOML.
pub fn merge(
    base: &str,
    ours: &str,
    theirs: &str,
    decide: impl FnMut(String) -> Side,
) -> Result<String, TomlError> {
    let base: DocumentMut = base.parse()?;
    let mut joined: DocumentMut = ours.parse()?;
    let theirs: DocumentMut = theirs.parse()?;
    let default_audience = base.get("defaults").and_then(|defaults| defaults.get("audience")?.as_array());
    let default_audience = default_audience.cloned().unwrap_or_default();
    Merge { default_audience, decide }.tables(
        "",
        Some(base.as_table()),
        joined.as_table_mut(),
        theirs.as_table(),
    );
    Ok(joined.to_string())
}

struct Merge<F> {
    /// What an audience was that was not written.
    default_audience: Array,
    decide: F,
}

impl<F: FnMut(String) -> Side> Merge<F> {
    fn tables(
        &mut self,
        path: &str,
        base: Option<&dyn TableLike>,
        ours: &mut dyn TableLike,
        theirs: &dyn TableLike,
    ) {
        // In their order, so that what is new keeps it; what only we have stays as it is.
        let removed = base.into_iter().flat_map(TableLike::iter).filter(|(key, _)| !theirs.contains_key(key));
        let keys: Vec<String> = theirs.iter().chain(removed).map(|(key, _)| key.to_owned()).collect();
        for key in keys {
            let before = base.and_then(|base| base.get(&key));
            let theirs_now = theirs.get(&key);
            if same(ours.get(&key), theirs_now) || same(before, theirs_now) {
                continue;
            }
            if same(ours.get(&key), before) {
                take(ours, &key, theirs);
                continue;
            }
            let path = format!("{path}{}", Key::new(&key));
            let settled = match (ours.get_mut(&key), theirs_now) {
                (Some(ours), Some(theirs)) => self.items(&path, before, ours, theirs),
                _ => false,
            };
            if !settled && (self.decide)(path) == Side::Theirs {
                take(ours, &key, theirs);
            }
        }
    }

    /// Joins what both changed from within. Says whether that can be done.
    fn items(&mut self, path: &str, base: Option<&Item>, ours: &mut Item, theirs: &Item) -> bool {
        if let (Some(ours), Some(theirs)) = (ours.as_table_like_mut(), theirs.as_table_like()) {
            self.tables(&format!("{path}."), base.and_then(Item::as_table_like), ours, theirs);
            return true;
        }
        let default = path.ends_with(".audience").then_some(&self.default_audience);
        let base = base.and_then(Item::as_array).or(default);
        match (base, ours.as_array_mut(), theirs.as_array()) {
            (Some(base), Some(ours), Some(theirs)) => {
                join_lists(base, ours, theirs);
                true
            }
            _ => false,
        }
    }
}

/// What one side added comes in, and what one side took out stays out.
fn join_lists(base: &Array, ours: &mut Array, theirs: &Array) {
    let has = |list: &Array, item: &Value| list.iter().any(|other| same_value(other, item));
    ours.retain(|item| has(theirs, item) || !has(base, item));
    for item in theirs.iter().filter(|item| !has(base, item)) {
        if !has(ours, item) {
            ours.push_formatted(item.clone());
        }
    }
}

/// Takes over what `theirs` has for a key, or that it has none.
fn take(ours: &mut dyn TableLike, key: &str, theirs: &dyn TableLike) {
    match (ours.get_mut(key), theirs.get_key_value(key)) {
        (Some(place), Some((_, item))) => *place = item.clone(),
        (None, Some((key, item))) => drop(ours.entry_format(key).or_insert_with(|| item.clone())),
        (_, None) => drop(ours.remove(key)),
    }
}

/// Whether two items mean the same, however they are written.
fn same(one: Option<&Item>, other: Option<&Item>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return one.is_none() && other.is_none() };
    match (one.as_table_like(), other.as_table_like()) {
        (Some(one), Some(other)) => same_tables(one, other),
        _ => one.as_value().zip(other.as_value()).is_some_and(|(one, other)| same_value(one, other)),
    }
}

fn same_tables(one: &dyn TableLike, other: &dyn TableLike) -> bool {
    one.len() == other.len() && one.iter().all(|(key, item)| same(Some(item), other.get(key)))
}

fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.value() == other.value(),
        (Value::Integer(one), Value::Integer(other)) => one.value() == other.value(),
        (Value::Boolean(one), Value::Boolean(other)) => one.value() == other.value(),
        (Value::Datetime(one), Value::Datetime(other)) => one.value() == other.value(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_value(one, other))
        }
        (Value::InlineTable(one), Value::InlineTable(other)) => same_tables(one, other),
        // No policy has a number with a fraction.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "\
version = 1
# Who works here
[recipients]
alice = { kind = \"person\", keys = [\"a1\"] } # first
ops = [\"alice\", \"old\"]

[defaults]
audience = [\"ops\"]

[secret.\"one\"]
owner = \"root\"
";

    /// The joined text, and the keys that were to be decided.
    fn join(ours: &str, theirs: &str, side: Side) -> (String, Vec<String>) {
        let mut asked = Vec::new();
        let joined = merge(BASE, ours, theirs, |path| {
            asked.push(path);
            side
        });
        (joined.unwrap(), asked)
    }

    #[test]
    fn what_one_side_changed_is_taken() {
        let other =
            BASE.replace("[\"a1\"]", "[\"a1\", \"a2\"]").replace("owner = \"root\"", "owner = \"nginx\"");
        assert_eq!(join(BASE, &other, Side::Ours), (other.clone(), vec![]));
        assert_eq!(join(&other, BASE, Side::Theirs), (other.clone(), vec![]));
        assert_eq!(join(&other, &other, Side::Theirs), (other, vec![]));
    }

    #[test]
    fn lists_are_joined_item_by_item() {
        let ours = BASE.replace("[\"alice\", \"old\"]", "[\"alice\"]");
        let theirs = BASE.replace("[\"alice\", \"old\"]", "[\"alice\", \"old\", \"bob\"]");
        let expected = BASE.replace("[\"alice\", \"old\"]", "[\"alice\", \"bob\"]");
        assert_eq!(join(&ours, &theirs, Side::Ours), (expected, vec![]));
        let (reversed, asked) = join(&theirs, &ours, Side::Ours);
        assert!(reversed.contains("ops = [\"alice\", \"bob\"]") && asked.is_empty(), "{reversed}");
    }

    #[test]
    fn new_tables_come_with_their_comments() {
        let ours = format!("{BASE}\n# ours\n[secret.\"two\"]\nowner = \"odoo\"\n");
        let theirs = format!("{BASE}\n# theirs\n[secret.\"three\"]\nowner = \"pgadmin\"\n");
        let (joined, asked) = join(&ours, &theirs, Side::Ours);
        assert!(asked.is_empty(), "{asked:?}");
        for part in
            ["# Who works here", "# first", "# ours\n[secret.\"two\"]", "# theirs\n[secret.\"three\"]"]
        {
            assert!(joined.contains(part), "{part} is missing:\n{joined}");
        }
    }

    #[test]
    fn what_both_changed_is_decided() {
        let ours = BASE.replace("owner = \"root\"", "owner = \"odoo\"");
        let theirs = BASE.replace("owner = \"root\"", "owner = \"nginx\"");
        let asked = vec!["secret.one.owner".to_owned()];
        assert_eq!(join(&ours, &theirs, Side::Ours), (ours.clone(), asked.clone()));
        assert_eq!(join(&ours, &theirs, Side::Theirs), (theirs, asked));
    }

    #[test]
    fn what_one_removed_and_the_other_changed_is_decided() {
        let without = BASE.split("\n[secret").next().unwrap().to_owned() + "\n";
        let changed = BASE.replace("owner = \"root\"", "owner = \"odoo\"");
        let (joined, asked) = join(&without, &changed, Side::Theirs);
        assert!(joined.contains("owner = \"odoo\"") && asked == ["secret"], "{asked:?}\n{joined}");
        assert!(!join(&changed, &without, Side::Theirs).0.contains("[secret"));
    }

    #[test]
    fn an_audience_that_was_not_written_is_the_default() {
        let with = |audience: &str| format!("{BASE}audience = [{audience}]\n");
        let (joined, asked) = join(&with("\"ops\", \"web\""), &with("\"ops\", \"db\""), Side::Theirs);
        assert_eq!((joined, asked), (with("\"ops\", \"web\", \"db\""), vec![]));
    }

    /// Two lists where none was: each allows less than both together.
    #[test]
    fn new_lists_are_not_joined() {
        let with = |unit: &str| format!("{BASE}services = [\"{unit}\"]\n");
        let (joined, asked) = join(&with("a.service"), &with("b.service"), Side::Theirs);
        assert_eq!((joined, asked), (with("b.service"), vec!["secret.one.services".to_owned()]));
    }
}
