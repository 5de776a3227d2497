//! A folder for each mount point, with the name that systemd-escape(1) --path gives it.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The name; nothing for a path that is relative or leads up. A link in it is not followed: the mount
/// point is known by the path that it has.
pub(crate) fn escape(path: &Path) -> Option<OsString> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.first() != Some(&b'/') {
        return None;
    }
    let parts: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    if parts.iter().any(|part| *part == b"..") {
        return None;
    }
    if parts.is_empty() {
        return Some("-".into());
    }
    let mut name = Vec::new();
    for (at, byte) in parts.join(&b'/').into_iter().enumerate() {
        match byte {
            b'/' => name.push(b'-'),
            b'.' if at == 0 => name.extend_from_slice(b"\\x2e"),
            b':' | b'_' | b'.' => name.push(byte),
            _ if byte.is_ascii_alphanumeric() => name.push(byte),
            _ => name.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    Some(OsString::from_vec(name))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_those_of_systemd() {
        let cases = [
            ("/run/vault", "run-vault"),
            ("/run//vault/", "run-vault"),
            ("/run/./vault", "run-vault"),
            ("/", "-"),
            ("/.hidden/.a", "\\x2ehidden-.a"),
            ("/srv/my-vault", "srv-my\\x2dvault"),
            ("/srv/a b\\c:d_e.f", "srv-a\\x20b\\x5cc:d_e.f"),
            ("/srv/ü", "srv-\\xc3\\xbc"),
        ];
        for (path, name) in cases {
            assert_eq!(escape(Path::new(path)).as_deref(), Some(OsStr::new(name)), "{path}");
        }
        for path in ["", "run/vault", "/run/../vault", "/.."] {
            assert_eq!(escape(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn systemd_agrees() {
        let paths = ["/run/vault", "/a-b/.c d", "/", "/x//y/./z/", "/ü/\\x/..."];
        let escaped = match Command::new("systemd-escape").arg("--path").args(paths).output() {
            Ok(output) => String::from_utf8(output.stdout).expect("text"),
            Err(error) => {
                let strict = std::env::var_os("ODBOX_TEST_STRICT").is_some_and(|value| value == "1");
                assert!(!strict, "cannot test: no systemd-escape: {error}");
                return;
            }
        };
        let ours = paths.map(|path| escape(Path::new(path)).expect("a name").into_string().expect("text"));
        assert_eq!(escaped.split_whitespace().collect::<Vec<_>>(), ours);
    }

    proptest! {
        #[test]
        fn two_mount_points_never_share_a_folder(path in "/?[ab./ \\\\x-]{0,6}", other in "/[ab./ \\\\x-]{0,6}") {
            let (name, second) = (escape(Path::new(&path)), escape(Path::new(&other)));
            if let Some(name) = &name {
                prop_assert!(!name.as_bytes().contains(&b'/') && name != "." && name != ".." && !name.is_empty());
                let same = Path::new(&path).components().eq(Path::new(&other).components());
                prop_assert_eq!(second.as_ref() == Some(name), same);
            }
        }
    }
}
