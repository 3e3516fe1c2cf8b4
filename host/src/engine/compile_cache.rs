//! The directory of the compile cache: what must hold of it before code from it is run.
//!
//! Wasmtime names each entry by SHA-256 over the module's bytes, its own version and every setting of its compiler, and puts
//! it there by renaming a finished file. It doesn't sign what it wrote: machine code in the directory is run. So nobody
//! but this process's own user may ever have been able to write there, and that is what is checked, each time an engine is
//! made.

use std::path::Path;

/// Entries that are looked at; Wasmtime keeps some tens of thousands at most.
#[cfg(unix)]
const ENTRIES_MAX: usize = 200_000;

/// How deep the directory is: modules, version, entries.
#[cfg(unix)]
const DEPTH_MAX: usize = 4;

/// Makes the directory if it isn't there, and checks that nobody else can have written what is in it.
///
/// # Errors
///
/// What is wrong with it, to be read after its name.
#[cfg(unix)]
pub(super) fn check(directory: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

    if !directory.is_absolute() {
        return Err("must be an absolute path".to_owned());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(directory).map_err(|error| format!("can't be made: {error}"))?;
    let read = |error: std::io::Error| format!("can't be looked at: {error}");
    // Where it really is: a link on the way could lead elsewhere tomorrow.
    let real = directory.canonicalize().map_err(read)?;
    let owner = own_user(&real)?;
    // Where nobody else can look in, the modes of what is within don't matter; Wasmtime leaves them to the umask.
    let shut = real.symlink_metadata().map_err(read)?.mode() & 0o077 == 0;
    check_tree(&real, owner, shut, DEPTH_MAX, &mut ENTRIES_MAX.clone())?;
    for above in real.ancestors().skip(1) {
        let metadata = above.symlink_metadata().map_err(read)?;
        let sticky = metadata.mode() & 0o1000 != 0;
        if metadata.uid() != owner && metadata.uid() != 0 {
            return Err(format!("lies in `{}`, which belongs to another user", above.display()));
        }
        if metadata.mode() & 0o022 != 0 && !sticky {
            return Err(format!("lies in `{}`, where others may write", above.display()));
        }
    }
    Ok(())
}

/// There are no owners and modes to look at.
#[cfg(not(unix))]
pub(super) fn check(_: &Path) -> Result<(), String> {
    Err("can't be checked on this system: who may write there isn't known".to_owned())
}

/// Whoever this process runs as: the owner of a file that it makes.
#[cfg(unix)]
fn own_user(directory: &Path) -> Result<u32, String> {
    use std::os::unix::fs::MetadataExt as _;

    let path = directory.join(format!("own-{}", std::process::id()));
    let failed = |error: std::io::Error| format!("can't be written: {error}");
    // One that an earlier process of this number left behind.
    let _ = std::fs::remove_file(&path);
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
    let owner = file.metadata().map(|metadata| metadata.uid());
    std::fs::remove_file(&path).map_err(failed)?;
    owner.map_err(failed)
}

/// Checks that everything from `path` down belongs to `owner`, and that nobody else may write it; nobody can where it is
/// `shut`.
#[cfg(unix)]
fn check_tree(path: &Path, owner: u32, shut: bool, depth: usize, left: &mut usize) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;

    let read = |error: std::io::Error| format!("holds `{}`, which can't be looked at: {error}", path.display());
    *left = left.checked_sub(1).ok_or(format!("holds more than {ENTRIES_MAX} files"))?;
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        // Another process of ours has just put it in place, or taken it away.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(read(error)),
    };
    if metadata.uid() != owner {
        return Err(format!("holds `{}`, which belongs to another user", path.display()));
    }
    if metadata.is_symlink() {
        return Err(format!("holds `{}`, which is a link", path.display()));
    }
    if !shut && metadata.mode() & 0o022 != 0 {
        return Err(format!("holds `{}`, which others may write", path.display()));
    }
    if !metadata.is_dir() {
        return Ok(());
    }
    let depth = depth.checked_sub(1).ok_or(format!("holds `{}`, deeper than expected", path.display()))?;
    for entry in std::fs::read_dir(path).map_err(read)? {
        check_tree(&entry.map_err(read)?.path(), owner, shut, depth, left)?;
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_directory_in_which_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("cache");
        assert_eq!(check(&directory), Ok(()));
        assert_eq!(check(&directory), Ok(()));
        mode(&directory, 0o770);
        let refused = check(&directory).unwrap_err();
        assert!(refused.ends_with("which others may write"), "{refused}");
        mode(&directory, 0o755);
        std::fs::create_dir(directory.join("modules")).unwrap();
        std::fs::write(directory.join("modules/entry"), "code").unwrap();
        mode(&directory.join("modules/entry"), 0o666);
        let refused = check(&directory).unwrap_err();
        assert!(refused.contains("modules/entry") && refused.ends_with("which others may write"), "{refused}");
        mode(&directory, 0o700);
        assert_eq!(check(&directory), Ok(()));
    }

    #[test]
    fn links_and_relative_paths_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("entry")).unwrap();
        let refused = check(folder.path()).unwrap_err();
        assert!(refused.ends_with("which is a link"), "{refused}");
        assert_eq!(check(Path::new("cache")), Err("must be an absolute path".to_owned()));
    }

    #[test]
    fn a_directory_within_one_that_others_may_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        mode(folder.path(), 0o777);
        let refused = check(&folder.path().join("cache")).unwrap_err();
        assert!(refused.ends_with("where others may write"), "{refused}");
    }
}
