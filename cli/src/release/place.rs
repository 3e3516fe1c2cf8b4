//! Where a released file is to be: written under no name, or one that nobody knows, and under its own only when it left.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::folder_of;

/// A file to be.
pub struct Place {
    path: PathBuf,
    /// The file, for its owner alone; none once it was published or discarded.
    file: Option<Hidden>,
}

/// A file that nobody finds.
enum Hidden {
    /// Without a name: it is gone with the process, however that ends.
    Nameless(File),
    /// With a name of chance beside its place, where the system has no other files, or something must open it by name. A process
    /// that is killed leaves it.
    Named(NamedTempFile),
}

impl Place {
    /// The place at `path`.
    ///
    /// # Errors
    ///
    /// When there is something already, or nothing can be written beside it.
    pub fn new(path: &Path) -> io::Result<Self> {
        check_free(path)?;
        match nameless(&folder_of(path)) {
            Ok(file) => Ok(Self { path: path.to_path_buf(), file: Some(Hidden::Nameless(file)) }),
            // Whatever is wrong with the folder, this says it.
            Err(_) => Self::named(path),
        }
    }

    /// The place at `path`, for a file that is opened by name.
    ///
    /// # Errors
    ///
    /// As [`Place::new`].
    pub fn named(path: &Path) -> io::Result<Self> {
        check_free(path)?;
        let file = tempfile::Builder::new().prefix(".exportgate-").tempfile_in(folder_of(path))?;
        Ok(Self { path: path.to_path_buf(), file: Some(Hidden::Named(file)) })
    }

    /// The file that is written.
    ///
    /// # Errors
    ///
    /// When it was published or discarded.
    pub fn file(&self) -> io::Result<&File> {
        match &self.file {
            Some(Hidden::Nameless(file)) => Ok(file),
            Some(Hidden::Named(file)) => Ok(file.as_file()),
            None => Err(gone()),
        }
    }

    /// The name under which it is written.
    ///
    /// # Errors
    ///
    /// When it has none: it wasn't made with [`Place::named`], or was published or discarded.
    pub fn written_at(&self) -> io::Result<&Path> {
        match &self.file {
            Some(Hidden::Named(file)) => Ok(file.path()),
            Some(Hidden::Nameless(_)) | None => Err(gone()),
        }
    }

    /// Gives it its name, and makes that durable. What is there by now is never replaced.
    ///
    /// # Errors
    ///
    /// When it can't get its name; then it is removed.
    pub fn publish(&mut self) -> io::Result<()> {
        match self.file.take().ok_or_else(gone)? {
            Hidden::Nameless(file) => name(&file, &self.path)?,
            Hidden::Named(file) => {
                file.persist_noclobber(&self.path).map_err(|error| error.error)?;
            }
        }
        File::open(folder_of(&self.path))?.sync_all()
    }

    /// Removes it.
    ///
    /// # Errors
    ///
    /// When it can't be removed.
    pub fn discard(&mut self) -> io::Result<()> {
        match self.file.take() {
            None | Some(Hidden::Nameless(_)) => Ok(()),
            Some(Hidden::Named(file)) => {
                let path = file.path().to_path_buf();
                file.close()?;
                if fs::exists(path)? { Err(io::Error::other("it is still there")) } else { Ok(()) }
            }
        }
    }
}

fn check_free(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something already"));
    }
    Ok(())
}

/// A file in the folder without a name.
#[cfg(target_os = "linux")]
fn nameless(folder: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};

    // It gets its name through there.
    fs::metadata(DESCRIPTORS)?;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)?))
}

/// Gives a file without a name the one at `path`, where there must be nothing.
#[cfg(target_os = "linux")]
fn name(file: &File, path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, linkat};

    let descriptor = Path::new(DESCRIPTORS).join(file.as_raw_fd().to_string());
    Ok(linkat(CWD, descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Where Linux shows the files that a process has open.
#[cfg(target_os = "linux")]
const DESCRIPTORS: &str = "/proc/self/fd";

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn name(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn gone() -> io::Error {
    io::Error::other("the file was published or discarded before")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_has_its_name_when_it_is_published_and_not_before() {
        for (make, hidden) in [(Place::new as fn(&Path) -> io::Result<Place>, false), (Place::named, true)] {
            let folder = tempfile::TempDir::new().unwrap();
            let path = folder.path().join("out.csv");
            let names = || {
                let entries = fs::read_dir(folder.path()).unwrap();
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
            };
            let mut place = make(&path).unwrap();
            place.file().unwrap().write_all(b"x").unwrap();
            assert!(!path.exists());
            if hidden {
                assert!(names()[0].starts_with(".exportgate-"));
            }
            place.discard().unwrap();
            assert!(names().is_empty());
            assert!(place.publish().is_err());
            drop(make(&path).unwrap());
            assert!(names().is_empty());
            let (mut place, mut second) = (make(&path).unwrap(), make(&path).unwrap());
            place.file().unwrap().write_all(b"x").unwrap();
            place.publish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"x");
            assert_eq!(second.publish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(make(&path).err().unwrap().to_string(), "there is something already");
            assert_eq!(names(), ["out.csv"]);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_a_name_is_gone_with_the_process() {
        let folder = tempfile::TempDir::new().unwrap();
        let place = Place::new(&folder.path().join("out.csv")).unwrap();
        place.file().unwrap().write_all(b"x").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // As a kill would: nothing is cleaned up.
        std::mem::forget(place);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
