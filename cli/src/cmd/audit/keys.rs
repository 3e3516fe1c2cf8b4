//! `exportgate audit keys`: makes the keys of a log.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use exportgate::audit_log::{CustomerKey, KeyRole, PrivateKey};

use crate::args::audit::Keys;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::setup::random;

/// Runs the command.
pub fn run(args: &Keys) -> Result<Exit, Failure> {
    let signing = PrivateKey::from_seed(&args.origin, KeyRole::Log, &random()?)
        .map_err(|error| Failure::input(error.to_string()))?;
    let customers = format!("audit-customers-{}.key", args.epoch);
    write_new(&args.folder.join(&customers), &CustomerKey::text_of(args.epoch, &random()?))?;
    let path = args.folder.join("audit.key");
    if path.exists() {
        output::print(&format!("# `{}` stays as it is", path.display()))?;
        return output::print(&format!("# add under `[audit]`: customer_key_files = [.., {customers:?}]"))
            .map(|()| Exit::Done);
    }
    write_new(&path, &signing.to_text())?;
    output::print(&format!(
        "# Keep copies of both keys apart from the ledger, and give the public key to whoever is to trust the log.\n\
         [audit]\n\
         origin = {:?}\n\
         customer_key_files = [{customers:?}]\n\
         signing_key_file = \"audit.key\"\n\
         public_keys = [\"{}\"]",
        args.origin,
        signing.public()
    ))?;
    Ok(Exit::Done)
}

/// Writes a key to a file that wasn't there, and that only its owner can read.
///
/// # Errors
///
/// [`Failure`] when it is there, or can't be written.
pub fn write_new(path: &Path, key: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        writeln!(file, "{key}")?;
        file.sync_all()
    });
    written.map_err(|error| {
        Failure::output(format!("can't write the key `{}`: {error}", path.display()))
            .help("a key that is there is never overwritten: name another folder, or another epoch")
    })
}
