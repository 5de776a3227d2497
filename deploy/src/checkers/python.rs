//! Python: each file is compiled, and PgAdmin's configuration is held against the settings that PgAdmin has.

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run},
};
use crate::value::AbsolutePath;

const PYTHON: Program = Program { name: "python3", package: Some("python3") };
/// PgAdmin's own Python, in its environment.
const ENVIRONMENT: Program = Program { name: "/opt/pgadmin4/bin/python3", package: None };
/// Compiles a file, and writes nothing beside it.
const COMPILE: &str = "import sys; compile(open(sys.argv[1], encoding='utf-8').read(), sys.argv[2], 'exec')";
/// Runs a configuration as PgAdmin does, after its own, and tells names that it does not know. On a machine that has
/// one already, that is not to be taken for PgAdmin's own.
const PGADMIN: &str = "\
import importlib.util, os, runpy, sys, types
package = importlib.util.find_spec('pgadmin4')
if package is None: sys.exit(66)
sys.path.insert(0, package.submodule_search_locations[0])
os.environ['HOME'] = sys.argv[2]
sys.modules['config_system'] = types.ModuleType('config_system')
import config
settings = runpy.run_path(sys.argv[1], init_globals={k: v for k, v in vars(config).items() if k.isupper()})
unknown = [name for name in settings if name.isupper() and not hasattr(config, name)]
if unknown: sys.exit('PgAdmin has no setting ' + ', '.join(unknown))
";
/// How that ends where there is no PgAdmin.
const NO_PGADMIN: i32 = 66;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let is_python = |(path, text): &(&AbsolutePath, &str)| {
        path.as_str().ends_with(".py")
            || text.lines().next().is_some_and(|line| line.starts_with("#!") && line.contains("python"))
    };
    let files = subject.texts_below("/").filter(is_python).map(|(path, _)| path);
    let files: Vec<&AbsolutePath> = files.collect();
    let compiled = files.iter().map(|path| Outcome::of("python3", path.as_str(), compile(subject, path)));
    let of_pgadmin =
        files.iter().filter(|path| path.as_str().contains("pgadmin") && path.as_str().contains("/config"));
    let of_pgadmin = of_pgadmin.map(|path| Outcome::of("pgadmin4", path.as_str(), pgadmin(subject, path)));
    compiled.chain(of_pgadmin).collect()
}

fn compile(subject: &Subject<'_>, path: &AbsolutePath) -> Result<Verdict, Verdict> {
    let mut python = PYTHON.command()?;
    python.args(["-I", "-c", COMPILE]).arg(subject.at(path.as_str())).arg(path.as_str());
    Ok(run(python)?.verdict())
}

fn pgadmin(subject: &Subject<'_>, path: &AbsolutePath) -> Result<Verdict, Verdict> {
    // Where the box has it, or wherever this machine does.
    let mut python = ENVIRONMENT.command().or_else(|_| PYTHON.command())?;
    let home = subject.folder("pgadmin")?;
    python.args(["-I", "-B", "-c", PGADMIN]).arg(subject.at(path.as_str())).arg(&home);
    let said = run(python)?;
    match said.status {
        Some(NO_PGADMIN) => {
            Err(Verdict::Skipped("there is no pgadmin4 for this python3: pip has it".to_owned()))
        }
        _ => Ok(said.without(&subject.root).verdict()),
    }
}
