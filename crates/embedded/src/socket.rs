//! The private folder in which the server's socket stands.
//!
//! Whoever can open the socket is let in as anybody (trust), so the folder is closed to all but one
//! user: mode 0700, his, and no link. It is `run` in the data folder, or, when that path will not
//! do for a socket, a short one whose name comes from the data folder's. A folder that somebody
//! else made under that name is never used.

use std::env;
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::account::Account;

/// The port only names the socket; nothing listens on the network.
pub const PORT: u16 = 5432;

/// A socket's address holds 108 bytes, the last of them zero.
const PATH_BYTES_MAX: usize = 107;

/// The socket's own path.
pub fn path(socket_dir: &Path) -> PathBuf {
    socket_dir.join(format!(".s.PGSQL.{PORT}"))
}

/// Finds or makes the private folder for a data folder.
pub fn private_dir(data_dir: &Path, account: &Account) -> Result<PathBuf, Error> {
    let beside = data_dir.join("run");
    if fits(&beside) {
        claim(&beside, account).map_err(Error::file("make private", &beside))?;
        return Ok(beside);
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(data_dir.as_os_str().as_bytes());
    let name = format!("atomic-orders-{:016x}", hasher.finish());
    let mut refusal = Error::file("find a short place for the socket of", data_dir)(
        io::ErrorKind::NotFound.into(),
    );
    for folder in short_bases(account).into_iter().map(|base| base.join(&name)) {
        match claim(&folder, account) {
            Ok(()) if fits(&folder) => return Ok(folder),
            Ok(()) => {}
            Err(error) => refusal = Error::file("make private", folder)(error),
        }
    }
    Err(refusal)
}

/// Short folders that are there, the safest first.
fn short_bases(account: &Account) -> Vec<PathBuf> {
    let runtime = if account.is_dropped() {
        Some(PathBuf::from("/run"))
    } else {
        env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
    };
    runtime
        .into_iter()
        .chain([PathBuf::from("/tmp")])
        .filter(|base| base.is_dir() && fits(&base.join("atomic-orders-0123456789abcdef")))
        .collect()
}

/// Whether a client can name the socket: short enough, and without a comma, which separates hosts
/// in a connection string and cannot be escaped there.
fn fits(socket_dir: &Path) -> bool {
    path(socket_dir)
        .to_str()
        .is_some_and(|path| path.len() <= PATH_BYTES_MAX && !path.contains(','))
}

/// Makes `folder` private to the account, or sees that it is so already.
fn claim(folder: &Path, account: &Account) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            // The umask may have taken even the owner's bits.
            fs::set_permissions(folder, Permissions::from_mode(0o700))?;
            return account.give(folder);
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::symlink_metadata(folder)?;
    let closed = found.is_dir() && found.mode() & 0o777 == 0o700;
    if closed && found.uid() == account.uid() {
        return Ok(());
    }
    if closed && found.uid() == 0 && account.is_dropped() {
        // We were interrupted between making it and giving it away.
        return account.give(folder);
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        "somebody else made it, or it is open to others",
    ))
}

/// True when the server lets `user` in: a connection is opened far enough to be answered with an
/// authentication message, and closed again.
pub fn lets_in(socket: &Path, user: &str) -> bool {
    ask_to_enter(socket, user).unwrap_or(false)
}

fn ask_to_enter(socket: &Path, user: &str) -> io::Result<bool> {
    const PROTOCOL_3_0: u32 = 3 << 16;
    const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];

    let mut connection = UnixStream::connect(socket)?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut body = PROTOCOL_3_0.to_be_bytes().to_vec();
    body.extend_from_slice(format!("user\0{user}\0database\0postgres\0\0").as_bytes());
    let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
    connection.write_all(&[&length.to_be_bytes(), body.as_slice()].concat())?;

    let mut kind = [0];
    connection.read_exact(&mut kind)?;
    let let_in = kind == *b"R";
    if let_in {
        // A courtesy: without it the server's log says that a client went away.
        let _ = connection.write_all(&TERMINATE);
    }
    Ok(let_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account::choose(Path::new("/nonexistent")).unwrap()
    }

    #[test]
    fn a_short_data_folder_has_its_socket_inside() {
        let folder = tempfile::tempdir().unwrap();
        let socket_dir = private_dir(folder.path(), &account()).unwrap();
        assert_eq!(socket_dir, folder.path().join("run"));
        let metadata = fs::metadata(&socket_dir).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o700, account().uid()));
        // And again, when it is there already.
        private_dir(folder.path(), &account()).unwrap();
    }

    #[test]
    fn a_long_data_folder_gets_the_same_short_one_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(120));
        let first = private_dir(&long, &account()).unwrap();
        assert!(fits(&first));
        assert_eq!(private_dir(&long, &account()).unwrap(), first);
        fs::remove_dir(first).unwrap();
    }

    #[test]
    fn a_folder_that_others_may_enter_or_a_link_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("run");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
        assert!(private_dir(folder.path(), &account()).is_err());
        fs::remove_dir(&open).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::DirBuilder::new().mode(0o700).create(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &open).unwrap();
        assert!(private_dir(folder.path(), &account()).is_err());
    }
}
