//! The binary `exportgate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    exportgate_cli::main()
}
