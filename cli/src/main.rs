//! podyctl: see `cli`.

fn main() -> std::process::ExitCode {
    cli::main()
}
