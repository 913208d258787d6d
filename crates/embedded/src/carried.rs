//! The PostgreSQL that our own executable carries, and how it gets onto the disk.
//!
//! Unpacking is atomic: into a folder of another name, written through to the disk, then renamed;
//! a folder with the right name is complete. The caller holds the data folder's lock, so nobody
//! else unpacks there. The files belong to us and are readable by all: a user whom we drop to can
//! run them and cannot change them.
//!
//! The programs ask for glibc 2.38. Where the running one is older, a lowered copy is unpacked, in
//! a folder of its own (`elf.rs` says how): a data folder may move between machines.

use std::path::{Path, PathBuf};

#[cfg(carried_server)]
use crate::{Error, elf};

/// The major version of what is carried; `None` when this build carries nothing.
pub const MAJOR: Option<u32> = if cfg!(carried_server) { Some(18) } else { None };

/// What the carried programs need in their environment: their ICU has no data files, and without
/// this word `initdb` stops over that.
pub const ENVIRONMENT: [(&str, &str); 1] = [("OLIPHAUNT_INTERNAL_SKIP_ICU_DISCOVERY", "1")];

#[cfg(carried_server)]
static ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/postgres.tgz"));

#[cfg(carried_server)]
const SHIM: &str = "libatomic-orders-shim.so";

/// Where the carried server is, or would be, unpacked inside `folder`.
#[cfg(carried_server)]
fn place(folder: &Path, lowered: bool) -> PathBuf {
    let suffix = if lowered { "-glibc-2.34" } else { "" };
    folder.join(format!("server-{}{suffix}", env!("CARRIED_SERVER_DIGEST")))
}

/// The folder with the carried programs, unpacked inside `folder` if they are not there yet.
#[cfg(carried_server)]
pub fn unpack(folder: &Path) -> Result<PathBuf, Error> {
    use std::fs;

    refuse_awkward(folder)?;
    let lowered = !running_glibc_has(elf::TOO_NEW);
    let place = place(folder, lowered);
    if !place.exists() {
        let new = folder.join(format!("server.new.{}", std::process::id()));
        let _ = fs::remove_dir_all(&new);
        write_all(&new, lowered).map_err(Error::file("unpack PostgreSQL into", &new))?;
        sync(&new).map_err(Error::file("write to the disk what is in", &new))?;
        fs::rename(&new, &place)
            .map_err(Error::file("rename an unpacked PostgreSQL to", &place))?;
        sweep(folder, &place);
    }
    Ok(place.join("bin"))
}

/// `initdb` starts its own `postgres` through a shell, with the path between double quotes. What is
/// special there would at best not be found, at worst be run.
#[cfg(carried_server)]
fn refuse_awkward(folder: &Path) -> Result<(), Error> {
    let special = |letter: char| matches!(letter, '"' | '$' | '`' | '\\' | '\n');
    match folder.to_string_lossy().find(special) {
        None => Ok(()),
        Some(_) => Err(Error::NoServer {
            reason: format!(
                "the carried one cannot be started in {}, whose name has a character that is \
                 special to the shell; choose another data folder",
                folder.display()
            ),
        }),
    }
}

/// Never called where nothing is carried: [`MAJOR`] is asked first.
#[cfg(not(carried_server))]
pub fn unpack(folder: &Path) -> Result<PathBuf, crate::Error> {
    let reason = format!("this build carries no server to unpack into {}", folder.display());
    Err(crate::Error::NoServer { reason })
}

#[cfg(carried_server)]
fn write_all(root: &Path, lowered: bool) -> std::io::Result<()> {
    use std::fs::{self, Permissions};
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    make_folder(root)?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(ARCHIVE));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        let mode = entry.header().mode()?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if elf::is_elf(&content) && !name.ends_with(SHIM) {
            adapt(&name, &mut content, lowered).ok_or_else(|| {
                std::io::Error::other(format!(
                    "{} is not the ELF file it should be",
                    name.display()
                ))
            })?;
        }
        if let Some(parent) = name.parent() {
            for folder in parent.ancestors().collect::<Vec<_>>().into_iter().rev() {
                make_folder(&root.join(folder))?;
            }
        }
        let file = root.join(&name);
        fs::write(&file, content)?;
        // Not left to the umask: a user whom we drop to must read it.
        fs::set_permissions(&file, Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(carried_server)]
fn adapt(name: &Path, content: &mut [u8], lowered: bool) -> Option<()> {
    // The programs load the extra functions; their libraries find them there.
    let extra = (lowered && name.starts_with("bin")).then_some(SHIM);
    elf::look_beside_itself(content, extra)?;
    if lowered {
        elf::lower_glibc(content)?;
    }
    Some(())
}

#[cfg(carried_server)]
fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o755))
}

/// A folder of the right name must be complete even after a power cut.
#[cfg(carried_server)]
fn sync(folder: &Path) -> std::io::Result<()> {
    rustix::fs::syncfs(std::fs::File::open(folder)?)?;
    Ok(())
}

/// Removes what other versions of this program, or interrupted ones, unpacked. Nobody runs it: the
/// folder is locked, and the caller has seen to earlier servers.
#[cfg(carried_server)]
fn sweep(folder: &Path, keep: &Path) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = name.starts_with("server-") || name.starts_with("server.new.");
        if is_ours && entry.path() != keep {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the glibc that this very process runs on defines `version`. That is what the loader will
/// ask, so it is asked here of the same file; the release number could mislead.
#[cfg(carried_server)]
fn running_glibc_has(version: &str) -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let library = maps
        .lines()
        .filter_map(|line| line.find('/').map(|start| &line[start..]))
        .find(|path| path.ends_with("/libc.so.6"))
        .and_then(|path| std::fs::read(path).ok());
    // A program without a shared glibc cannot know; then the trial run of the server decides.
    library.is_none_or(|bytes| defines(&bytes, version))
}

#[cfg(carried_server)]
fn defines(library: &[u8], version: &str) -> bool {
    let name = [b"\0", version.as_bytes(), b"\0"].concat();
    library.windows(name.len()).any(|window| window == name)
}

#[cfg(all(test, carried_server))]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_unpacked_needs_nothing_newer_than_it_should() {
        let folder = tempfile::tempdir().unwrap();
        for (name, lowered) in [("plain", false), ("lowered", true)] {
            let root = folder.path().join(name);
            write_all(&root, lowered).unwrap();
            for file in ["bin/postgres", "bin/initdb", "lib/libpq.so.5"] {
                let content = fs::read(root.join(file)).unwrap();
                let asks = elf::asks_for(&content, elf::TOO_NEW).unwrap();
                assert_eq!(asks, !lowered, "{name}/{file}");
            }
            assert!(root.join("licenses/PostgreSQL-COPYRIGHT").exists());
        }
    }

    #[test]
    fn lowered_programs_run_on_every_glibc_and_plain_ones_where_it_is_new_enough() {
        let folder = tempfile::tempdir().unwrap();
        for (name, lowered) in [("plain", false), ("lowered", true)] {
            let root = folder.path().join(name);
            write_all(&root, lowered).unwrap();
            let runs = |program: &str| {
                let mut program = std::process::Command::new(root.join("bin").join(program));
                program.arg("--version").output().unwrap().status.success()
            };
            let expected = lowered || running_glibc_has(elf::TOO_NEW);
            assert_eq!(["postgres", "initdb"].map(runs), [expected; 2], "{name}");
        }
    }

    #[test]
    fn unpacking_again_changes_nothing_and_old_versions_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("server-0123")).unwrap();
        fs::create_dir(folder.path().join("server.new.1")).unwrap();
        fs::create_dir(folder.path().join("pgdata")).unwrap();
        let first = unpack(folder.path()).unwrap();
        let made = fs::metadata(first.join("postgres")).unwrap().modified().unwrap();
        assert_eq!(unpack(folder.path()).unwrap(), first);
        assert_eq!(fs::metadata(first.join("postgres")).unwrap().modified().unwrap(), made);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(folder.path().join("pgdata").exists());
    }

    #[test]
    fn a_folder_whose_name_a_shell_would_run_is_refused() {
        let refusal = unpack(Path::new("/tmp/$(touch x)")).unwrap_err().to_string();
        assert!(refusal.contains("special to the shell"), "{refusal}");
        refuse_awkward(Path::new("/tmp/it's, a: näme; with & many #")).unwrap();
    }

    #[test]
    fn the_running_glibc_is_asked_and_not_guessed() {
        assert!(running_glibc_has("GLIBC_2.2.5"));
        assert!(!running_glibc_has("GLIBC_9.99"));
        assert!(!defines(b"\0GLIBC_2.380\0", "GLIBC_2.38"));
    }
}
