//! Reading Nginx's configuration as `ngx_conf_file.c` does: words, quotes, blocks.

/// A directive as it is written, quotes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// Its name and arguments.
    pub words: Vec<String>,
    /// What is in its block, if it has one.
    pub block: Option<Vec<Directive>>,
}

impl Directive {
    /// Its name.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

/// Reads a file; nothing if its blocks and quotes do not end.
pub(super) fn parse(text: &str) -> Option<Vec<Directive>> {
    let tokens = tokens(text)?;
    let mut rest = tokens.as_slice();
    let directives = block(&mut rest)?;
    rest.is_empty().then_some(directives)
}

/// Writes what [`parse`] reads.
pub(super) fn render(directives: &[Directive]) -> String {
    let rendered = |directive: &Directive| {
        let words = directive.words.join(" ");
        match &directive.block {
            Some(inner) => format!("{words} {{\n{}}}\n", render(inner)),
            None => format!("{words};\n"),
        }
    };
    directives.iter().map(rendered).collect()
}

/// What an argument means, without its quotes.
pub(super) fn unquoted(word: &str) -> String {
    let inner = word.strip_prefix(['"', '\'']).and_then(|word| word.strip_suffix(['"', '\'']));
    inner.unwrap_or(word).replace("\\\"", "\"").replace("\\\\", "\\")
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    End,
    Open,
    Close,
}

fn block(rest: &mut &[Token]) -> Option<Vec<Directive>> {
    let (mut directives, mut words) = (Vec::new(), Vec::new());
    while let Some((token, after)) = rest.split_first() {
        if *token == Token::Close && words.is_empty() {
            break;
        }
        *rest = after;
        let block = match token {
            Token::Word(word) => {
                words.push(word.clone());
                continue;
            }
            Token::End => None,
            Token::Open => {
                let inner = block(rest)?;
                *rest = rest.strip_prefix(&[Token::Close])?;
                Some(inner)
            }
            Token::Close => return None,
        };
        directives.push(Directive { words: std::mem::take(&mut words), block });
    }
    words.is_empty().then_some(directives)
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            ';' => (Some(Token::End), 1),
            '{' => (Some(Token::Open), 1),
            '}' => (Some(Token::Close), 1),
            '"' | '\'' => {
                let length = quoted(rest, first)?;
                (Some(Token::Word(rest[..length].to_owned())), length)
            }
            _ => {
                let length = plain(rest);
                (Some(Token::Word(rest[..length].to_owned())), length)
            }
        };
        tokens.extend(token);
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

/// The bytes up to the quote that ends the word.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// The bytes up to what ends a word; `${` begins a variable, not a block.
fn plain(text: &str) -> usize {
    let (mut before, mut is_escaped) = (' ', false);
    for (at, c) in text.char_indices() {
        let ends = c.is_ascii_whitespace() || c == ';' || (c == '{' && before != '$');
        if ends && !is_escaped {
            return at;
        }
        is_escaped = c == '\\' && !is_escaped;
        before = c;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::{parse, render, unquoted};

    #[test]
    fn what_is_read_is_what_is_written() {
        let text =
            "# Why.\nuser www;\nhttp {\n  map $a \"x${b} ; {\" { default 'it\\'s'; ~^/a\\{2\\} 1; }\n}\n";
        let read = parse(text).expect("a configuration");
        let expected = "user www;\nhttp {\nmap $a \"x${b} ; {\" {\ndefault 'it\\'s';\n~^/a\\{2\\} 1;\n}\n}\n";
        assert_eq!(render(&read), expected, "quotes, escapes and variables are no blocks");
        assert_eq!(parse(expected).as_deref(), Some(read.as_slice()), "and it is read the same way again");
    }

    #[test]
    fn what_does_not_end_is_left_to_nginx() {
        for text in ["http {", "http { }}", "user \"www;", "user www"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_path_in_quotes_is_that_path() {
        assert_eq!(unquoted("\"/a \\\"b\\\\\""), "/a \"b\\");
    }
}
