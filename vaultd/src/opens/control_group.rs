//! Control groups (cgroups(7)), as `/proc/PID/cgroup` tells them.

/// What the kernel adds to the path of a group that is gone.
const DELETED: &str = " (deleted)";

/// The hierarchy that systemd keeps where it does not use the unified one.
const SYSTEMD: &str = "name=systemd";

/// The full path of a control group, from the root that the monitor sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlGroup(String);

impl ControlGroup {
    /// The group of a process, from the bytes of its `/proc/PID/cgroup`; nothing if it is gone, lies outside of what
    /// the monitor sees, or cannot be told.
    ///
    /// The system manager sorts processes in the unified hierarchy, where it has one; a process that is in none of
    /// its groups is in the root there. What controllers of their own hierarchies say is of no use.
    #[must_use]
    pub fn of_process(lines: &[u8]) -> Option<Self> {
        let lines = std::str::from_utf8(lines).ok()?;
        let path_in = |number: Option<&str>, name: &str| {
            lines.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':');
                let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
                (number.is_none_or(|number| number == id) && controllers == name).then_some(path)
            })
        };
        let unified = path_in(Some("0"), "").filter(|path| *path != "/");
        Self::parse(unified.or_else(|| path_in(None, SYSTEMD))?)
    }

    /// A group by its path. The root is none: everything lies below it.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let mut names = path.strip_prefix('/')?.split('/');
        let is_whole = names.all(|name| !name.is_empty() && name != "." && name != "..");
        (is_whole && !path.ends_with(DELETED)).then(|| Self(path.to_owned()))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0
    }

    /// Whether it is `group` or lies below it.
    #[must_use]
    pub fn is_within(&self, group: &Self) -> bool {
        self.0.strip_prefix(&group.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The names on its path, from the root.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        // A name that the kernel could take for a file of its own has an underscore before it.
        self.0[1..].split('/').map(|name| name.strip_prefix('_').unwrap_or(name))
    }

    /// The unit of the system manager that it belongs to, by its path alone. To be shown, not to be relied on:
    /// this is where a unit's group should be.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        let is_slice = |name: &&str| name.ends_with(".slice");
        let unit = self.names().find(|name| !is_slice(name)).filter(|name| name.contains('.'));
        unit.or_else(|| self.names().take_while(is_slice).last())
    }
}

#[cfg(test)]
mod tests {
    use super::ControlGroup;

    fn path(lines: &str) -> Option<String> {
        ControlGroup::of_process(lines.as_bytes()).map(|group| group.path().to_owned())
    }

    #[test]
    fn is_where_the_system_manager_put_the_process() {
        let path_is = |lines, expected: &str| assert_eq!(path(lines).as_deref(), Some(expected), "{lines}");
        path_is("0::/system.slice/a.service\n", "/system.slice/a.service");
        // Hybrid, and a container with one hierarchy on a machine with many.
        path_is("5:name=systemd:/\n4:memory:/x\n0::/system.slice/a.service\n", "/system.slice/a.service");
        path_is("1:name=systemd:/system.slice/a.service\n0::/\n", "/system.slice/a.service");
        path_is("12:cpu,cpuacct:/\n1:name=systemd:/a.service\n", "/a.service");
        path_is("0::/a:b.service/c\n", "/a:b.service/c");
    }

    #[test]
    fn nothing_is_known_of_a_process_that_lies_elsewhere() {
        for lines in [
            "",
            "0::/\n",
            "0::/../../system.slice/a.service\n",
            "0::/..\n",
            "0::/system.slice/a.service (deleted)\n",
            "0::/system.slice/../a.service\n",
            "0::relative\n",
            "0::/a//b\n",
            "3:memory:/system.slice/a.service\n",
            "3:name=other:/system.slice/a.service\n",
            "1::/system.slice/a.service\n",
            "nonsense",
        ] {
            assert_eq!(path(lines), None, "{lines}");
        }
        assert_eq!(ControlGroup::of_process(b"0::/\xff.service\n"), None);
    }

    #[test]
    fn is_within_itself_and_what_is_above_by_whole_names() {
        let within = |path: &str, group: &str| {
            let parse = |path| ControlGroup::parse(path).expect(path);
            parse(path).is_within(&parse(group))
        };
        assert!(within("/system.slice/a.service", "/system.slice/a.service"));
        assert!(within("/system.slice/a.service/x/y", "/system.slice/a.service"));
        assert!(!within("/system.slice/a.service2", "/system.slice/a.service"));
        assert!(!within("/system.slice", "/system.slice/a.service"));
        assert!(!within("/user.slice/system.slice/a.service", "/system.slice/a.service"));
        let own = "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service";
        assert!(!within(own, "/system.slice/a.service"));
    }

    #[test]
    fn belongs_to_the_unit_that_the_system_manager_started() {
        let unit = |path: &str| ControlGroup::parse(path).expect(path).unit().map(str::to_owned);
        assert_eq!(unit("/system.slice/a.service/b.service").as_deref(), Some("a.service"));
        assert_eq!(
            unit("/system.slice/system-getty.slice/getty@tty1.service").as_deref(),
            Some("getty@tty1.service")
        );
        let own = "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service";
        assert_eq!(unit(own).as_deref(), Some("user@1000.service"));
        assert_eq!(unit("/system.slice/_cpu.service").as_deref(), Some("cpu.service"));
        assert_eq!(unit("/init.scope").as_deref(), Some("init.scope"));
        assert_eq!(unit("/system.slice").as_deref(), Some("system.slice"));
        assert_eq!(unit("/docker/0123"), None);
    }
}
