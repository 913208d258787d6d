//! Where the server's programs come from.
//!
//! In this order: a folder that the user names; programs installed on this machine, PostgreSQL 15
//! or newer, which get their distribution's security updates; the ones that our own executable
//! carries. A cluster that exists already is only ever opened with the major version that made it.
//! Programs count as found when `postgres --version` ran, as the user it will run as.

use std::convert::Infallible;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use crate::account::Account;
use crate::folder::Folder;
use crate::{Error, carried, launch};

/// The oldest major version that the rest of the system is tested with.
const MAJOR_MIN: u32 = 15;

/// Which programs may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Installed ones if there are any that fit, else the carried ones.
    #[default]
    Automatic,
    /// Only installed ones.
    Installed,
    /// Only the carried ones.
    Carried,
    /// Only those in this folder, or in `bin` inside it.
    Path(PathBuf),
}

/// `automatic`, `installed`, `carried`; everything else is a folder.
impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "automatic" => Self::Automatic,
            "installed" => Self::Installed,
            "carried" => Self::Carried,
            folder => Self::Path(PathBuf::from(folder)),
        })
    }
}

/// The programs of one PostgreSQL, tried and found to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    bin: PathBuf,
    version: String,
    major: u32,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Named,
    Installed,
    Carried,
}

/// For `doctor`: which PostgreSQL, and from where.
impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            Origin::Named => "named by the user, in",
            Origin::Installed => "installed in",
            Origin::Carried => "carried in this program, unpacked to",
        };
        write!(out, "PostgreSQL {}, {origin} {}", self.version, self.bin.display())
    }
}

impl Server {
    /// The version in full, as the server writes it: `18.4`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// `postgres` or `initdb`, ready to be given arguments.
    pub fn command(&self, program: &str, account: &Account) -> Command {
        command(&self.bin, program, self.origin, account)
    }

    /// Tries the programs in `folder`; the reason, as the end of a sentence, when they will not do.
    fn try_folder(folder: &Path, origin: Origin, account: &Account) -> Result<Self, String> {
        let bin = real_bin(folder).ok_or_else(|| {
            format!("{} does not have both `postgres` and `initdb`", folder.display())
        })?;
        let failed = |why: String| format!("{}/postgres does not run here: {why}", bin.display());
        let output = command(&bin, "postgres", origin, account)
            .arg("--version")
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let answer = String::from_utf8_lossy(&output.stdout);
        let (version, major) = parse_version(&answer)
            .ok_or_else(|| failed(format!("it gives its version as {:?}", answer.trim())))?;
        Ok(Self { bin, version, major, origin })
    }
}

fn command(bin: &Path, program: &str, origin: Origin, account: &Account) -> Command {
    let mut command = launch::command(&bin.join(program), account);
    if origin == Origin::Carried {
        command.envs(carried::ENVIRONMENT);
    }
    command
}

/// The folder in which the programs really are. /usr/local/bin often has mere links, and not to all
/// that belong together.
fn real_bin(folder: &Path) -> Option<PathBuf> {
    let is_whole = |bin: &PathBuf| bin.join("postgres").is_file() && bin.join("initdb").is_file();
    let real = folder.join("postgres").canonicalize().ok()?.parent()?.to_owned();
    [real, folder.to_owned()].into_iter().find(is_whole)
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` gives `15.18` and 15.
fn parse_version(answer: &str) -> Option<(String, u32)> {
    let version = answer.split_whitespace().nth(2)?;
    let digits = version.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(version.len());
    Some((version.to_owned(), version[..digits].parse().ok()?))
}

/// Where installed programs are looked for. It is data, so that a test can look nowhere.
#[derive(Clone, Debug)]
pub struct Locator {
    roots: Vec<Root>,
}

#[derive(Clone, Debug)]
enum Root {
    /// A folder of programs.
    Bin(PathBuf),
    /// What `pg_config` says.
    PgConfig,
    /// One folder per version in `parent`, named `prefix` and a number, with the programs in `bin`.
    Numbered { parent: PathBuf, prefix: &'static str },
}

impl Default for Locator {
    /// The usual places of this machine, `PATH` first.
    fn default() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        // Never the folder that we happen to stand in.
        let mut roots: Vec<Root> =
            env::split_paths(&path).filter(|bin| bin.is_absolute()).map(Root::Bin).collect();
        roots.extend([
            Root::PgConfig,
            Root::Numbered { parent: "/usr/lib/postgresql".into(), prefix: "" },
            Root::Numbered { parent: "/usr".into(), prefix: "pgsql-" },
            Root::Bin("/usr/local/pgsql/bin".into()),
        ]);
        Self { roots }
    }
}

impl Locator {
    /// Looks in these folders only.
    pub fn in_folders(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { roots: folders.into_iter().map(Root::Bin).collect() }
    }

    /// The programs for the cluster in `folder`, existing or to be made.
    pub(crate) fn find(
        &self,
        source: &Source,
        folder: &Folder,
        account: &Account,
    ) -> Result<Server, Error> {
        let existing = folder.major()?;
        let fits = |major: u32| existing.map_or(major >= MAJOR_MIN, |made_by| major == made_by);
        let mut refused = Vec::new();

        if let Source::Path(path) = source {
            let bin = if real_bin(path).is_none() { path.join("bin") } else { path.clone() };
            match Server::try_folder(&bin, Origin::Named, account) {
                Ok(server) if fits(server.major) => return Ok(server),
                Ok(server) => refused.push(format!("{server} does not fit")),
                Err(reason) => refused.push(reason),
            }
        }
        if matches!(source, Source::Automatic | Source::Installed) {
            match self.installed(account, fits) {
                Ok(server) => return Ok(server),
                Err(reason) => refused.push(reason),
            }
        }
        if matches!(source, Source::Automatic | Source::Carried) {
            match carried::MAJOR {
                Some(major) if fits(major) => {
                    let bin = carried::unpack(folder.root())?;
                    match Server::try_folder(&bin, Origin::Carried, account) {
                        Ok(server) => return Ok(server),
                        Err(reason) => refused.push(reason),
                    }
                }
                Some(major) => refused.push(format!("this program carries PostgreSQL {major}")),
                None => refused.push("this build carries no PostgreSQL".to_owned()),
            }
        }
        let found = refused.join(", and ");
        Err(match existing {
            Some(major) => Error::OtherMajor { folder: folder.root().to_owned(), major, found },
            None => Error::NoServer { reason: found },
        })
    }

    /// The first installed programs that fit, or a word on what there is instead.
    fn installed(&self, account: &Account, fits: impl Fn(u32) -> bool) -> Result<Server, String> {
        let mut others: Vec<String> = Vec::new();
        for bin in self.roots.iter().flat_map(Root::bins).filter(|bin| real_bin(bin).is_some()) {
            match Server::try_folder(&bin, Origin::Installed, account) {
                Ok(server) if fits(server.major) => return Ok(server),
                Ok(server) => others.push(server.to_string()),
                Err(reason) => others.push(reason),
            }
        }
        others.dedup();
        if others.is_empty() {
            return Err("no PostgreSQL is installed where it was looked for".to_owned());
        }
        Err(format!("of those installed none fits ({})", others.join("; ")))
    }
}

impl Root {
    fn bins(&self) -> Vec<PathBuf> {
        match self {
            Self::Bin(folder) => vec![folder.clone()],
            Self::PgConfig => pg_config().into_iter().collect(),
            Self::Numbered { parent, prefix } => numbered(parent, prefix),
        }
    }
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    folder.is_absolute().then_some(folder)
}

/// Newest first.
fn numbered(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = parent
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    versions.into_iter().map(|(_, bin)| bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn script(bin: &Path, name: &str, text: &str) {
        fs::create_dir_all(bin).unwrap();
        fs::write(bin.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A folder with programs that do nothing but give this version.
    fn pretend(root: &Path, version: &str) -> PathBuf {
        let bin = root.join(version);
        script(&bin, "postgres", &format!("echo 'postgres (PostgreSQL) {version} (Pretended)'"));
        script(&bin, "initdb", "exit 1");
        bin
    }

    /// A world that an unprivileged user may enter.
    fn world() -> tempfile::TempDir {
        let world = tempfile::tempdir().unwrap();
        fs::set_permissions(world.path(), fs::Permissions::from_mode(0o755)).unwrap();
        world
    }

    fn find(locator: &Locator, source: &Source, made_by: Option<u32>) -> Result<Server, Error> {
        let data = world();
        let folder = Folder::claim(data.path()).unwrap();
        if let Some(major) = made_by {
            fs::create_dir(folder.pgdata()).unwrap();
            fs::write(folder.pgdata().join("PG_VERSION"), major.to_string()).unwrap();
        }
        let account = Account::choose(Path::new("/nonexistent")).unwrap();
        locator.find(source, &folder, &account)
    }

    #[test]
    fn the_first_installed_version_that_is_new_enough_is_taken() {
        let world = world();
        let bins = ["14.9", "16.3", "17.1"].map(|version| pretend(world.path(), version));
        let server = find(&Locator::in_folders(bins), &Source::Automatic, None).unwrap();
        assert_eq!((server.version(), server.major()), ("16.3", 16));
    }

    #[test]
    fn an_existing_cluster_gets_its_own_major_version_or_a_refusal() {
        let world = world();
        let locator =
            Locator::in_folders(["16.3", "17.1"].map(|version| pretend(world.path(), version)));
        assert_eq!(find(&locator, &Source::Installed, Some(17)).unwrap().major(), 17);
        let refusal = find(&locator, &Source::Automatic, Some(15)).unwrap_err().to_string();
        assert!(refusal.contains("made by PostgreSQL 15"), "{refusal}");
        assert!(refusal.contains("PostgreSQL 17.1"), "{refusal}");
        assert!(refusal.contains("install PostgreSQL 15"), "{refusal}");
    }

    #[test]
    fn a_named_folder_is_used_with_or_without_bin_and_nothing_else_is_tried() {
        let world = world();
        let bin = pretend(world.path(), "16.3");
        fs::create_dir(world.path().join("prefix")).unwrap();
        std::os::unix::fs::symlink(&bin, world.path().join("prefix/bin")).unwrap();
        for path in [bin.clone(), world.path().join("prefix")] {
            assert_eq!(find(&Locator::default(), &Source::Path(path), None).unwrap().bin, bin);
        }
        let nowhere = Source::Path(world.path().join("nowhere"));
        let refusal = find(&Locator::default(), &nowhere, None).unwrap_err().to_string();
        assert!(refusal.contains("does not have both"), "{refusal}");
    }

    #[test]
    fn programs_that_do_not_run_are_passed_over_and_named_in_the_refusal() {
        let world = world();
        let broken = pretend(world.path(), "18.0");
        script(&broken, "postgres", "echo 'no such library' >&2; exit 127");
        let locator = Locator::in_folders([broken.clone(), pretend(world.path(), "16.3")]);
        assert_eq!(find(&locator, &Source::Installed, None).unwrap().major(), 16);
        let only_broken = Locator::in_folders([broken]);
        let refusal = find(&only_broken, &Source::Installed, None).unwrap_err().to_string();
        assert!(refusal.contains("no such library"), "{refusal}");
    }

    #[test]
    fn a_lone_link_leads_to_the_folder_where_all_programs_are() {
        let world = world();
        let bin = pretend(world.path(), "16.3");
        let links = world.path().join("links");
        fs::create_dir(&links).unwrap();
        std::os::unix::fs::symlink(bin.join("postgres"), links.join("postgres")).unwrap();
        assert_eq!(real_bin(&links), Some(bin));
    }

    #[test]
    fn of_numbered_folders_the_newest_comes_first_and_nine_is_older_than_ten() {
        let world = world();
        for name in ["pgsql-9", "pgsql-10", "pgsql-18", "other", "pgsql-x"] {
            fs::create_dir(world.path().join(name)).unwrap();
        }
        let expected = ["pgsql-18", "pgsql-10", "pgsql-9"];
        let expected = expected.map(|name| world.path().join(name).join("bin"));
        assert_eq!(numbered(world.path(), "pgsql-"), expected);
    }

    #[test]
    fn versions_are_read_with_or_without_a_distribution_behind_them() {
        let read = |text| parse_version(text).map(|(_, major)| major);
        assert_eq!(read("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(read("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(read("postgres (PostgreSQL)"), None);
    }
}
