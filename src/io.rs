//! Files: read whole, written beside and then renamed, so that no reader ever sees half a file.

use crate::{Error, Result};
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

/// Links that are followed from one to the next, as on Linux.
const MAX_LINKS: usize = 40;

/// Reads a regular file as a whole. Anything else, such as a directory, a FIFO or a device, is refused: it
/// may have no end.
///
/// # Errors
/// [`Error::File`] for a file that cannot be read, or is not a regular file.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    read_regular(path).map_err(unreadable(path))
}

/// Opens a regular file, and tells its length.
pub(crate) fn open(path: &Path) -> Result<(fs::File, u64)> {
    let open = || {
        check_regular(fs::metadata(path)?.file_type())?;
        let file = fs::File::open(path)?;
        let len = file.metadata()?.len();
        Ok((file, len))
    };
    open().map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::InvalidInput => failed(path)(&error.to_string()),
        _ => failed(path)(&format!("cannot be read: {error}")),
    }
}

/// The contents as [`read`] gives them, or the operating system's error.
pub(crate) fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    // The type is checked before the file is opened, since opening a FIFO waits for a writer.
    check_regular(fs::metadata(path)?.file_type())?;
    fs::read(path)
}

/// Writes a file as a whole: beside first, then renamed into its place. A link is followed, and the file that
/// it stands for written. On an error the old file stays as it was.
///
/// # Errors
/// [`Error::File`] for a file that cannot be written, or is not a regular file.
pub fn replace(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    target_of(path).and_then(|target| write_beside(&target, bytes)).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => failed(path)(&error.to_string()),
        kind => failed(path)(&format!("cannot be written: {kind}")),
    })
}

/// The regular file that a path stands for, or will.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        let file_type = match fs::symlink_metadata(&target) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(target),
            Err(error) => return Err(error),
        };
        if !file_type.is_symlink() {
            check_regular(file_type)?;
            return Ok(target);
        }
        // A relative link begins in the folder that holds it.
        let next = fs::read_link(&target)?;
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a regular file, found a loop of links"))
}

fn check_regular(file_type: FileType) -> io::Result<()> {
    if file_type.is_file() {
        return Ok(());
    }
    let found = kind_of(file_type);
    let error = format!("expected a regular file, found a {found}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, error))
}

#[cfg(unix)]
fn kind_of(file_type: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if file_type.is_dir() => "directory",
        () if file_type.is_fifo() => "FIFO",
        () if file_type.is_socket() => "socket",
        () => "device",
    }
}

#[cfg(not(unix))]
fn kind_of(file_type: FileType) -> &'static str {
    if file_type.is_dir() { "directory" } else { "device" }
}

/// The first and last letters of files that are written beside.
#[cfg(not(target_arch = "wasm32"))]
const BESIDE: (&str, &str) = (".wgpu-rnn-", ".new");

#[cfg(not(target_arch = "wasm32"))]
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    remove_left_over(parent);
    let mut beside = locked_in(parent)?;
    beside.write_all(bytes)?;
    if let Ok(old) = fs::metadata(path) {
        beside.as_file().set_permissions(old.permissions())?;
    }
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    Ok(())
}

/// A new file, locked as long as its process lives.
#[cfg(not(target_arch = "wasm32"))]
fn locked_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(BESIDE.0).suffix(BESIDE.1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The mode of any new file, less the user's umask; tempfile's default is for the owner alone.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    loop {
        let beside = builder.tempfile_in(folder)?;
        // Some file systems have no locks; left-over files stay there.
        let _ = beside.as_file().lock();
        // Another process may have removed it before it was locked.
        if beside.path().try_exists()? {
            return Ok(beside);
        }
    }
}

/// Removes the files beside of processes that were killed while they wrote: the files without a lock.
#[cfg(not(target_arch = "wasm32"))]
fn remove_left_over(folder: &Path) {
    let is_beside = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_named = name.starts_with(BESIDE.0) && name.ends_with(BESIDE.1);
        is_named && entry.file_type().is_ok_and(|file_type| file_type.is_file())
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(is_beside) {
        if let Ok(file) = fs::File::open(entry.path())
            && file.try_lock().is_ok()
        {
            // It may be gone by now.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(target_arch = "wasm32")]
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)
}

/// Adds the file's path to a format error.
pub(crate) fn in_file(path: &Path) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::File { .. } => error,
        _ => failed(path)(&error.to_string()),
    }
}

fn failed(path: &Path) -> impl Fn(&str) -> Error {
    move |reason| Error::File { path: path.to_owned(), reason: reason.to_owned() }
}
