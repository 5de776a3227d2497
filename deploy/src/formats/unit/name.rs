//! The names that units of a path must have (systemd.unit(5), "String Escaping for Inclusion in Unit Names").

use crate::value::AbsolutePath;

/// The name of the mount, swap or automount unit of a path: `/srv/a-b` as a `mount` is `srv-a\x2db.mount`.
#[must_use]
pub fn path_name(path: &AbsolutePath, kind: &str) -> String {
    let trimmed = path.as_str().trim_matches('/');
    if trimmed.is_empty() {
        return format!("-.{kind}");
    }
    let mut name = String::new();
    for (at, c) in trimmed.char_indices() {
        match c {
            '/' => name.push('-'),
            '.' if at == 0 => name.push_str("\\x2e"),
            ':' | '_' | '.' => name.push(c),
            c if c.is_ascii_alphanumeric() => name.push(c),
            // A path has ASCII only.
            c => name.push_str(&format!("\\x{:02x}", u32::from(c))),
        }
    }
    format!("{name}.{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_name_that_systemd_escape_gives_it() {
        for (path, name) in [
            ("/", "-.mount"),
            ("/swapfile", "swapfile.mount"),
            ("/srv/a-b/c_d", "srv-a\\x2db-c_d.mount"),
            ("/.snapshots/x+y@z:1", "\\x2esnapshots-x\\x2by\\x40z:1.mount"),
        ] {
            assert_eq!(path_name(&AbsolutePath::known(path), "mount"), name);
        }
    }
}
