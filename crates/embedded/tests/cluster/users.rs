//! Root and others: PostgreSQL never runs as root, and everything belongs to whom it should.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::support::{
    Holder, NOBODY, ask, is_root, kill, options, say_untested, sources, start, world,
};
use orders_embedded::{Cluster, Error, Source, default_data_dir};
use rustix::process::Signal;

fn folder_of_an_ordinary_user(world: &Path) -> PathBuf {
    let data_dir = world.join("data");
    fs::create_dir(&data_dir).unwrap();
    if is_root() {
        chown(&data_dir, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    data_dir
}

#[test]
fn an_ordinary_user_runs_a_cluster_in_a_folder_of_his_own() {
    for source in sources() {
        let world = world();
        let data_dir = folder_of_an_ordinary_user(world.path());
        let holder = Holder::start_as_ordinary_user(&data_dir, &source);
        assert_eq!(holder.ask("select 1"), ["1"]);
        let owner = fs::metadata(&data_dir).unwrap().uid();
        assert_eq!(fs::metadata(data_dir.join("pgdata")).unwrap().uid(), owner);
        let process = fs::metadata(format!("/proc/{}", holder.postmaster)).unwrap();
        assert_eq!(process.uid(), owner);
    }
}

#[test]
fn an_ordinary_user_goes_on_after_program_and_server_were_killed() {
    for source in sources() {
        let world = world();
        let data_dir = folder_of_an_ordinary_user(world.path());
        let mut holder = Holder::start_as_ordinary_user(&data_dir, &source);
        holder.ask("create table kept (n int); insert into kept values (7)");
        holder.kill();
        let mut holder = Holder::start_as_ordinary_user(&data_dir, &source);
        assert_eq!(holder.ask("select n from kept"), ["7"], "after the program's death");
        kill(holder.postmaster, Signal::KILL);
        holder.kill();
        let holder = Holder::start_as_ordinary_user(&data_dir, &source);
        assert_eq!(holder.ask("select n from kept"), ["7"], "after the server's death");
    }
}

/// Whether what only root can do is tested; if not, that is said. (Nothing that could be installed is
/// missing then, so it is no failure.)
fn may_be_root() -> bool {
    if is_root() {
        return true;
    }
    say_untested("what only root does, because this is not root");
    false
}

#[test]
fn root_drops_to_somebody_else_and_keeps_the_folder_to_itself() {
    if !may_be_root() {
        return;
    }
    let world = world();
    let cluster = start(world.path(), &Source::Automatic);
    let process = fs::metadata(format!("/proc/{}", cluster.pid())).unwrap();
    assert_ne!((process.uid(), process.gid()), (0, 0));
    let status = fs::read_to_string(format!("/proc/{}/status", cluster.pid())).unwrap();
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
    assert_eq!(groups.trim(), "");
    for name in ["lock", "postgres.log"] {
        assert_eq!(fs::metadata(world.path().join(name)).unwrap().uid(), 0, "{name}");
    }
}

#[test]
fn root_goes_on_as_the_user_who_made_the_cluster() {
    if !may_be_root() {
        return;
    }
    let world = world();
    chown(world.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let mut holder = Holder::start_as_ordinary_user(world.path(), &Source::Automatic);
    holder.ask("create table kept (n int); insert into kept values (7)");
    holder.kill();
    let cluster = start(world.path(), &Source::Automatic);
    assert_eq!(fs::metadata(format!("/proc/{}", cluster.pid())).unwrap().uid(), NOBODY);
    assert_eq!(ask(&cluster, "select n from kept"), ["7"]);
}

#[test]
fn a_folder_that_the_other_user_cannot_reach_is_refused_with_a_way_out() {
    if !may_be_root() {
        return;
    }
    let world = world();
    let closed = world.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let refusal = Cluster::start(&options(&closed.join("data"), Source::Automatic)).unwrap_err();
    assert!(matches!(refusal, Error::Unreachable { .. }), "{refusal}");
    let text = refusal.to_string();
    assert!(text.contains("/var/lib/atomic-orders"), "{text}");
    assert!(text.contains(&format!("chmod o+x {}", closed.display())), "{text}");
}

#[test]
fn the_default_folder_is_one_that_the_servers_user_can_reach() {
    let folder = default_data_dir();
    assert!(folder.is_absolute() && folder.ends_with("atomic-orders"));
    assert_eq!(is_root(), folder.starts_with("/var/lib"));
}
