//! Which user PostgreSQL runs as.
//!
//! PostgreSQL refuses to run as root. Started as root we therefore drop to the user who owns the
//! cluster already, else to `postgres`, else to `nobody`; started as anybody else we change
//! nothing.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::Error;

/// The user a child runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
    /// We are root and become this user; otherwise we are this user already.
    dropped: bool,
}

impl Account {
    /// The user for a cluster in `pgdata`, which need not exist yet.
    pub fn choose(pgdata: &Path) -> Result<Self, Error> {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        if uid != 0 {
            return Ok(Self { name: format!("uid {uid}"), uid, gid, dropped: false });
        }
        let passwd =
            fs::read_to_string("/etc/passwd").map_err(Error::file("read", "/etc/passwd"))?;
        let owner = fs::symlink_metadata(pgdata).ok().map(|metadata| metadata.uid());
        Self::unprivileged(&passwd, owner).ok_or(Error::NoAccount)
    }

    /// A cluster's files belong to one user for good: adding a user `postgres` to a machine must
    /// not lock `nobody`'s cluster out.
    fn unprivileged(passwd: &str, owner: Option<u32>) -> Option<Self> {
        let users = || passwd.lines().filter_map(Self::parse);
        users()
            .find(|user| Some(user.uid) == owner)
            .or_else(|| users().find(|user| user.name == "postgres"))
            .or_else(|| users().find(|user| user.name == "nobody"))
    }

    /// One line of passwd(5); never root, under whatever name.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some(Self { name, uid, gid, dropped: true })
    }

    /// The user's number.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether we are root and the children are not.
    pub fn is_dropped(&self) -> bool {
        self.dropped
    }

    /// Makes `command` run as this user. std also empties the supplementary groups, and does it
    /// all before any `pre_exec` closure runs.
    pub fn apply(&self, command: &mut Command) {
        if self.dropped {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Hands a file or folder that we just made to this user; a symbolic link is not followed.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        if self.dropped {
            lchown(path, Some(self.uid), Some(self.gid))?;
        }
        Ok(())
    }

    /// Fails with the first folder on the way to `folder` that this user may not pass.
    pub fn check_way_to(&self, folder: &Path) -> Result<(), Error> {
        if !self.dropped {
            return Ok(());
        }
        let way: Vec<&Path> = folder.ancestors().collect();
        for &step in way.iter().rev() {
            let metadata = fs::metadata(step).map_err(Error::file("enter", step))?;
            if !self.may_enter(metadata.uid(), metadata.gid(), metadata.mode()) {
                return Err(Error::Unreachable {
                    closed: step.to_owned(),
                    user: self.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// The plain permission bits decide; the user has no supplementary groups.
    fn may_enter(&self, owner: u32, group: u32, mode: u32) -> bool {
        let bit = if owner == self.uid {
            0o100
        } else if group == self.gid {
            0o010
        } else {
            0o001
        };
        mode & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        toor:x:0:0::/root:/bin/sh\n\
        # a remark\n\
        nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n\
        shop:x:1000:1001::/home/shop:/bin/bash\n";

    fn user(passwd: &str, owner: Option<u32>) -> Option<(String, u32, u32)> {
        Account::unprivileged(passwd, owner).map(|user| (user.name, user.uid, user.gid))
    }

    #[test]
    fn postgres_is_preferred_and_nobody_is_the_last_resort() {
        assert_eq!(user(PASSWD, None), Some(("nobody".to_owned(), 65534, 65533)));
        let with_postgres = format!("{PASSWD}postgres:x:101:104::/var/lib/postgresql:/bin/bash");
        assert_eq!(user(&with_postgres, None), Some(("postgres".to_owned(), 101, 104)));
    }

    #[test]
    fn an_existing_cluster_keeps_its_owner() {
        assert_eq!(user(PASSWD, Some(1000)), Some(("shop".to_owned(), 1000, 1001)));
    }

    #[test]
    fn root_is_never_chosen_even_as_owner_or_under_the_name_postgres() {
        let passwd = "postgres:x:0:0::/:/bin/sh\nnobody:x:99:99::/:/bin/false\n";
        assert_eq!(user(passwd, Some(0)), Some(("nobody".to_owned(), 99, 99)));
        assert_eq!(user("root:x:0:0::/:/bin/sh\nnonsense\n\n:::", None), None);
    }

    #[test]
    fn the_nearest_matching_permission_bit_decides() {
        let user = Account { name: "a".to_owned(), uid: 7, gid: 8, dropped: true };
        assert!(user.may_enter(7, 0, 0o700));
        assert!(!user.may_enter(7, 8, 0o077));
        assert!(user.may_enter(0, 8, 0o710));
        assert!(!user.may_enter(0, 0, 0o750));
        assert!(user.may_enter(0, 0, 0o711));
    }
}
