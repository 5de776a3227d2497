//! The `deploy` program.

fn main() -> std::process::ExitCode {
    deploy::run()
}
