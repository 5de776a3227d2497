//! Joining two policies that were changed side by side, table by table and key by key.
//!
//! What only one of both changed is taken. Lists of names and keys are joined item by item: what one
//! added comes in, and what one took out stays out. Where both changed the same value, or a joined list
//! would say what neither did, somebody has to decide. Comments and order are those of our side; what the
//! other brings comes with its own.

use std::collections::BTreeMap;

use toml_edit::{Array, DocumentMut, Item, Key, Table, TableLike, TomlError, Value};

use crate::{SecretName, merge::Side};

const SECRETS: &str = "secret";
/// The tables whose tables may leave their audience to the defaults, as they stand in a path.
const WITH_AUDIENCES: [&str; 2] = ["secret.", "template."];

/// Joins `ours` and `theirs`, which both descend from `base`. The tables of secrets in `whole` come from
/// one side as they are. `decide` is asked for each key that both changed, by its path.
///
/// # Errors
///
/// If a text is not TOML.
pub fn merge(
    base: &str,
    ours: &str,
    theirs: &str,
    whole: &BTreeMap<SecretName, Side>,
    decide: impl FnMut(String) -> Side,
) -> Result<String, TomlError> {
    let [base, mut joined, mut theirs] = [parse(base)?, parse(ours)?, parse(theirs)?];
    // Where a side has no secret at all, each is decided by itself.
    for document in [&mut joined, &mut theirs] {
        document.entry(SECRETS).or_insert_with(implicit_table);
    }
    let default_audiences = [&base, &joined, &theirs].map(default_audience);
    let mut merge = Merge { default_audiences, whole, decide };
    merge.tables("", Some(base.as_table()), joined.as_table_mut(), theirs.as_table());
    Ok(joined.to_string())
}

fn parse(text: &str) -> Result<DocumentMut, TomlError> {
    text.parse()
}

fn implicit_table() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

fn default_audience(document: &DocumentMut) -> Array {
    let audience = document.get("defaults").and_then(|defaults| defaults.get("audience")?.as_array());
    audience.cloned().unwrap_or_default()
}

struct Merge<'a, F> {
    /// What an audience is that is not written: in the base, on our side, on theirs.
    default_audiences: [Array; 3],
    whole: &'a BTreeMap<SecretName, Side>,
    decide: F,
}

impl<F: FnMut(String) -> Side> Merge<'_, F> {
    fn tables(
        &mut self,
        path: &str,
        base: Option<&dyn TableLike>,
        ours: &mut dyn TableLike,
        theirs: &dyn TableLike,
    ) {
        // In their order, so that what is new keeps it; then what only we have.
        let ours_only = ours.iter().map(|(key, _)| key.to_owned()).filter(|key| !theirs.contains_key(key));
        let removed = base.into_iter().flat_map(TableLike::iter).map(|(key, _)| key.to_owned());
        let removed = removed.filter(|key| !theirs.contains_key(key) && !ours.contains_key(key));
        let theirs_keys = theirs.iter().map(|(key, _)| key.to_owned());
        let keys: Vec<String> = theirs_keys.chain(ours_only).chain(removed).collect();
        for key in keys {
            match self.whole_side(path, &key) {
                Some(Side::Theirs) => take(ours, &key, theirs),
                Some(Side::Ours) => {}
                None => self.key(path, &key, base, ours, theirs),
            }
        }
    }

    /// The side that the table of a secret is taken from as it is.
    fn whole_side(&self, path: &str, key: &str) -> Option<Side> {
        let name: SecretName = (path == "secret.").then(|| key.parse().ok())??;
        self.whole.get(&name).copied()
    }

    fn key(
        &mut self,
        path: &str,
        key: &str,
        base: Option<&dyn TableLike>,
        ours: &mut dyn TableLike,
        theirs: &dyn TableLike,
    ) {
        let before = base.and_then(|base| base.get(key));
        let theirs_now = theirs.get(key);
        let mut tables = WITH_AUDIENCES.iter();
        let is_audience =
            key == "audience" && tables.any(|table| path.len() > table.len() && path.starts_with(table));
        if is_audience && before.is_none() && ours.get(key).is_none() != theirs_now.is_none() {
            return self.written_audience(&format!("{path}{key}"), ours, theirs);
        }
        // Also where only one side changed them: what is taken whole and what is not written comes first.
        let is_looked_into =
            WITH_AUDIENCES.iter().any(|table| format!("{path}{key}.") == *table || path == *table);
        let tables = ours.get_mut(key).filter(|_| is_looked_into).and_then(Item::as_table_like_mut);
        if let (Some(ours), Some(theirs)) = (tables, theirs_now.and_then(Item::as_table_like)) {
            let base = before.and_then(Item::as_table_like);
            return self.tables(&format!("{path}{}.", Key::new(key)), base, ours, theirs);
        }
        if same(ours.get(key), theirs_now) || same(before, theirs_now) {
            return;
        }
        if same(ours.get(key), before) {
            return take(ours, key, theirs);
        }
        let path = format!("{path}{}", Key::new(key));
        let settled = match (ours.get_mut(key), theirs_now) {
            (Some(ours), Some(theirs)) => self.items(&path, before, ours, theirs),
            _ => false,
        };
        if !settled && (self.decide)(path) == Side::Theirs {
            take(ours, key, theirs);
        }
    }

    /// An audience that one side wrote out, where the other still has its default: that may have changed.
    fn written_audience(&mut self, path: &str, ours: &mut dyn TableLike, theirs: &dyn TableLike) {
        let [base, our_default, their_default] = self.default_audiences.clone();
        let is_ours = ours.contains_key("audience");
        if !is_ours {
            take(ours, "audience", theirs);
        }
        let other_default = if is_ours { their_default } else { our_default };
        if same_value(&Value::Array(base.clone()), &Value::Array(other_default.clone())) {
            return;
        }
        let written = ours.get_mut("audience").and_then(Item::as_array_mut);
        let settled = written.is_some_and(|written| join_lists(&base, written, &other_default));
        if !settled {
            let other = if is_ours { Side::Theirs } else { Side::Ours };
            if (self.decide)(path.to_owned()) == other {
                ours.remove("audience");
            }
        }
    }

    /// Joins what both changed from within. Says whether that can be done.
    fn items(&mut self, path: &str, base: Option<&Item>, ours: &mut Item, theirs: &Item) -> bool {
        if let (Some(ours), Some(theirs)) = (ours.as_table_like_mut(), theirs.as_table_like()) {
            self.tables(&format!("{path}."), base.and_then(Item::as_table_like), ours, theirs);
            return true;
        }
        let default = path.ends_with(".audience").then_some(&self.default_audiences[0]);
        match (base.and_then(Item::as_array).or(default), ours.as_array_mut(), theirs.as_array()) {
            (Some(base), Some(ours), Some(theirs)) => join_lists(base, ours, theirs),
            _ => false,
        }
    }
}

/// What one side added comes in, and what one side took out stays out. Not where that is no answer: both
/// took out the same and one put something in its place, or nothing remains (an empty list of services
/// allows every process).
fn join_lists(base: &Array, ours: &mut Array, theirs: &Array) -> bool {
    let has = |list: &Array, item: &Value| list.iter().any(|other| same_value(other, item));
    let adds = |list: &Array| list.iter().any(|item| !has(base, item));
    let replaced = base.iter().any(|item| !has(ours, item) && !has(theirs, item));
    if replaced && (adds(ours) || adds(theirs)) {
        return false;
    }
    let mut joined = ours.clone();
    joined.retain(|item| has(theirs, item) || !has(base, item));
    for item in theirs.iter().filter(|item| !has(base, item)) {
        if !has(&joined, item) {
            joined.push_formatted(item.clone());
        }
    }
    let settled = !joined.is_empty() && !ours.is_empty() && !theirs.is_empty();
    if settled {
        *ours = joined;
    }
    settled
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
        let joined = merge(BASE, ours, theirs, &BTreeMap::new(), |path| {
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
        assert!(joined.contains("owner = \"odoo\"") && asked == ["secret.one"], "{asked:?}\n{joined}");
        assert!(!join(&changed, &without, Side::Theirs).0.contains("[secret"));
    }

    /// The table of a secret that comes from one side comes with it.
    #[test]
    fn a_table_can_be_taken_whole() {
        let ours = format!("{BASE}services = [\"a.service\"]\n");
        let theirs = BASE.replace("owner = \"root\"", "mode = \"0444\"\nworld-readable = true");
        for (side, expected) in [(Side::Ours, &ours), (Side::Theirs, &theirs)] {
            let whole = BTreeMap::from([("one".parse().unwrap(), side)]);
            let joined = merge(BASE, &ours, &theirs, &whole, |path| panic!("asked for {path}"));
            assert_eq!(joined.unwrap(), *expected);
        }
    }

    /// An empty list of services lets every process in.
    #[test]
    fn two_narrowed_lists_do_not_become_none() {
        let with = |services: &str| format!("{BASE}services = [{services}]\n");
        let base = with("\"a\", \"b\"");
        let mut asked = Vec::new();
        let joined = merge(&base, &with("\"a\""), &with("\"b\""), &BTreeMap::new(), |path| {
            asked.push(path);
            Side::Ours
        });
        assert_eq!((joined.unwrap(), asked), (with("\"a\""), vec!["secret.one.services".to_owned()]));
    }

    /// One key replaced by two different ones.
    #[test]
    fn two_replacements_are_decided() {
        let with = |key: &str| BASE.replace("\"a1\"", &format!("\"{key}\""));
        let (joined, asked) = join(&with("a2"), &with("a3"), Side::Ours);
        assert_eq!((joined, asked), (with("a2"), vec!["recipients.alice.keys".to_owned()]));
        let (joined, asked) = join(&BASE.replace("\"a1\"", ""), &with("a3"), Side::Ours);
        assert!(!joined.contains("a3") && asked == ["recipients.alice.keys"], "{joined}");
    }

    /// Whoever was taken out of the default is out of what was written from it.
    #[test]
    fn a_default_that_changed_holds_for_an_audience_written_from_it() {
        let wide = BASE.replace("audience = [\"ops\"]", "audience = [\"ops\", \"web\"]");
        let narrowed = BASE.to_owned();
        let written = format!("{wide}audience = [\"ops\", \"web\", \"db\"]\n");
        let expected = format!("{BASE}audience = [\"ops\", \"db\"]\n");
        for (ours, theirs) in [(&written, &narrowed), (&narrowed, &written)] {
            let joined = merge(&wide, ours, theirs, &BTreeMap::new(), |path| panic!("asked for {path}"));
            assert_eq!(joined.unwrap(), expected);
        }
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
