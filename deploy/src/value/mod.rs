//! What an option of a node can be: one type for each kind of value, so that what a module gets was checked.

mod addon;
mod calendar;
mod name;
mod number;
mod path;
mod text;
mod time_zone;

use std::{borrow::Cow, ops::Range};

use toml::{Spanned, de::DeValue};

pub use self::{
    addon::Addon,
    calendar::Calendar,
    name::{Domain, HostName, MachineName, PackageName, PostgresName, UserName},
    number::{Count, Mebibytes, Minutes, Port},
    path::{AbsolutePath, DataPath, Located, NodePath},
    text::{Email, HttpsUrl, SshKey, Text},
    time_zone::TimeZone,
};

/// The value of an option: what it looks like in TOML, and what is wrong with one that is none.
pub trait OptionValue: Sized {
    /// What is expected, for messages and for the reference: "a port, 1 to 65535".
    fn expected() -> Cow<'static, str>;

    /// Reads one.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without its place.
    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong>;

    /// Reads one, noting everything that is wrong where it has several parts.
    ///
    /// # Errors
    ///
    /// At least one thing, as [`Self::read`] tells it.
    fn read_whole(value: &Spanned<DeValue<'_>>) -> Result<Self, Vec<Wrong>> {
        Self::read(value).map_err(|wrong| vec![wrong])
    }

    /// As it is written in a node file.
    fn show(&self) -> String;
}

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What it is, such as "a port of 70000".
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// Where in the file, if it is but a part of the value.
    pub span: Option<Range<usize>>,
}

impl Wrong {
    /// Something of the wrong type.
    #[must_use]
    pub fn kind<T: OptionValue>(found: &DeValue<'_>) -> Self {
        Self::value::<T>(format!("{} where it cannot be", with_article(found.type_str())))
    }

    /// Something of the right type that cannot be.
    #[must_use]
    pub fn value<T: OptionValue>(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: format!("write {}", T::expected()), span: None }
    }
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// The text of a value.
///
/// # Errors
///
/// If it is anything else.
pub(crate) fn text<'a, T: OptionValue>(value: &'a Spanned<DeValue<'_>>) -> Result<&'a str, Wrong> {
    value.get_ref().as_str().ok_or_else(|| Wrong::kind::<T>(value.get_ref()))
}

/// Text as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl OptionValue for bool {
    fn expected() -> Cow<'static, str> {
        "true or false".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        value.get_ref().as_bool().ok_or_else(|| Wrong::kind::<Self>(value.get_ref()))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A list; each item that is wrong is shown where it is in the list.
impl<T: OptionValue> OptionValue for Vec<T> {
    fn expected() -> Cow<'static, str> {
        format!("a list, each {}", T::expected()).into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        Self::read_whole(value).map_err(|mut wrong| wrong.swap_remove(0))
    }

    fn read_whole(value: &Spanned<DeValue<'_>>) -> Result<Self, Vec<Wrong>> {
        let list = value.get_ref().as_array().ok_or_else(|| vec![Wrong::kind::<Self>(value.get_ref())])?;
        let (mut items, mut all_wrong) = (Vec::new(), Vec::new());
        for item in list.iter() {
            match T::read(item) {
                Ok(value) => items.push(value),
                Err(wrong) => all_wrong.push(Wrong { span: wrong.span.or(Some(item.span())), ..wrong }),
            }
        }
        if all_wrong.is_empty() { Ok(items) } else { Err(all_wrong) }
    }

    fn show(&self) -> String {
        format!("[{}]", self.iter().map(T::show).collect::<Vec<_>>().join(", "))
    }
}

/// One of a few words.
#[macro_export]
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// As it is written in a node file.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl $crate::value::OptionValue for $name {
            fn expected() -> std::borrow::Cow<'static, str> {
                [$(concat!("\"", $word, "\"")),+].join(" or ").into()
            }

            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
            ) -> Result<Self, $crate::value::Wrong> {
                let written = $crate::value::text::<Self>(value)?;
                match written {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::value::Wrong::value::<Self>(format!("`{written}` is no choice here"))),
                }
            }

            fn show(&self) -> String {
                $crate::value::quoted(self.as_str())
            }
        }
    };
}

#[cfg(test)]
mod tests;
