//! Where a case plays: a folder to work in, and a home, both copied from a scene that was made once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, OnceLock},
};

use fixtures::{
    command::{self, Ended, program},
    tree,
};
use tempfile::TempDir;

type Scenes = Mutex<BTreeMap<String, Arc<OnceLock<TempDir>>>>;

/// The folders of the scenes that were asked for so far.
static SCENES: LazyLock<Scenes> = LazyLock::new(Scenes::default);

/// What of Git's own folder is worth a look.
const GIT: [&str; 3] = [".git/config", ".git/hooks/", ".git/info/"];

/// As diff(1) says it.
const NO_LINE_END: &str = "\n\\ no newline at the end\n";

/// A place for one case. What was mounted there is gone with it.
pub struct Stage(TempDir);

impl Stage {
    /// A copy of a scene, which the script `cases/scenes/NAME.sh` makes.
    pub fn set(scene: &str) -> Self {
        let made = Arc::clone(SCENES.lock().expect("scenes").entry(scene.to_owned()).or_default());
        let made = made.get_or_init(|| make(scene));
        let stage = Self(tree::folder());
        for part in ["work", "home"] {
            tree::copy(&made.path().join(part), &stage.0.path().join(part));
        }
        stage
    }

    /// Runs a line in a shell, and tells what a person would see of it: standard output, standard error
    /// (with a mark), the exit status, and the files that came (+), went (-) or changed (~).
    pub fn run(&self, line: &str) -> String {
        let before = self.files();
        let ended = shell(self.0.path(), line);
        let mut outcome = ended.text();
        if !outcome.is_empty() && !outcome.ends_with('\n') {
            outcome.push_str(NO_LINE_END);
        }
        outcome.extend(ended.errors.lines().map(|line| format!("{}\n", format!("! {line}").trim_end())));
        outcome.push_str(&format!("exit {}\n", ended.status.expect("no signal")));
        outcome.push_str(&changes(&before, &self.files()));
        outcome.replace(&self.0.path().display().to_string(), "[STAGE]")
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let work = self.0.path().join("work");
        let all = tree::contents(&work).into_iter().filter(|(path, _)| work.join(path).is_file());
        let seen = |path: &Path| {
            let path = path.to_string_lossy();
            !path.starts_with(".git/") || GIT.iter().any(|part| path.starts_with(part))
        };
        all.filter(|(path, _)| seen(path)).map(|(path, (_, bytes))| (path, bytes)).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
        let here = self.0.path().display().to_string();
        let ours =
            mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|path| path.starts_with(&here));
        for path in ours {
            if program("umount").args(["-l", "--", path]).run().status != Some(0) {
                eprintln!("{path} is left mounted");
            }
        }
    }
}

fn make(scene: &str) -> TempDir {
    let folder = tree::folder();
    for part in ["work", "home"] {
        fs::create_dir(folder.path().join(part)).expect("a folder");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("cases/scenes/{scene}.sh"));
    let script = fs::read_to_string(&script).unwrap_or_else(|error| panic!("{script:?}: {error}"));
    let made = shell(folder.path(), &script);
    assert_eq!(made.status, Some(0), "the scene {scene}: {made}");
    folder
}

/// With `vaultgen` in the search path.
fn shell(stage: &Path, line: &str) -> Ended {
    let program = program("sh").args(["-c", "PATH=$1:$PATH; umask 022; eval \"$2\"", "sh"]);
    let program = program.arg(command::odbox("vaultgen").parent().expect("a folder")).arg(line);
    program.in_folder(stage.join("work")).at_home(stage.join("home")).run()
}

fn changes(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) -> String {
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let line = |path: &PathBuf| {
        let mark = match (before.get(path), after.get(path)) {
            (None, _) => '+',
            (_, None) => '-',
            (old, new) if old != new => '~',
            _ => return None,
        };
        Some(format!("{mark} {}\n", path.display()))
    };
    paths.into_iter().filter_map(line).collect()
}
