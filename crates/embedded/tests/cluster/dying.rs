//! Whoever is killed, and however: nothing committed is lost and the next start works.

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::process::Stdio;

use crate::support::{
    Holder, ask, hold_command, is_alive, kill, options, sources, start, stranger_of, until, world,
};
use orders_embedded::{Cluster, Error, Source};
use rustix::process::Signal;

const MAKE: &str = "create table kept (n int); insert into kept select generate_series(1, 1000)";
const COUNT: &str = "select count(*) from kept";

#[test]
fn what_was_committed_survives_the_servers_violent_death() {
    for source in sources() {
        let world = world();
        let cluster = start(world.path(), &source);
        ask(&cluster, MAKE);
        assert!(cluster.is_running());
        kill(cluster.pid(), Signal::KILL);
        until("the death is seen", || !cluster.is_running());
        drop(cluster);
        assert_eq!(ask(&start(world.path(), &source), COUNT), ["1000"]);
    }
}

#[test]
fn the_server_goes_when_the_program_that_holds_it_is_killed() {
    for source in sources() {
        let world = world();
        let mut holder = Holder::start(world.path(), &source);
        holder.ask(MAKE);
        assert!(is_alive(holder.postmaster));
        holder.kill();
        until("the server has gone", || !is_alive(holder.postmaster));
        assert_eq!(ask(&start(world.path(), &source), COUNT), ["1000"]);
    }
}

#[test]
fn the_next_start_does_not_have_to_wait_for_the_dying() {
    let world = world();
    let mut holder = Holder::start(world.path(), &Source::Automatic);
    holder.ask(MAKE);
    holder.kill();
    assert_eq!(ask(&start(world.path(), &Source::Automatic), COUNT), ["1000"]);
}

#[test]
fn program_and_server_killed_together_leave_nothing_in_the_way() {
    let world = world();
    let mut holder = Holder::start(world.path(), &Source::Automatic);
    holder.ask(MAKE);
    kill(holder.process.id(), Signal::STOP);
    kill(holder.postmaster, Signal::KILL);
    holder.kill();
    assert_eq!(ask(&start(world.path(), &Source::Automatic), COUNT), ["1000"]);
}

#[test]
fn a_live_server_without_its_program_is_seen_off() {
    let world = world();
    let mut holder = Holder::start(world.path(), &Source::Automatic);
    holder.ask(MAKE);
    // A stopped server cannot obey the signal that it gets when its parent dies.
    kill(holder.postmaster, Signal::STOP);
    holder.kill();
    assert!(is_alive(holder.postmaster));
    let postmaster = holder.postmaster;
    let waker = std::thread::spawn(move || kill(postmaster, Signal::CONT));
    let cluster = start(world.path(), &Source::Automatic);
    waker.join().unwrap();
    assert_ne!(cluster.pid(), postmaster);
    assert!(!is_alive(postmaster));
    assert_eq!(ask(&cluster, COUNT), ["1000"]);
}

#[test]
fn a_birth_that_was_interrupted_is_begun_anew() {
    let world = world();
    let has_begun = || {
        let mut entries = fs::read_dir(world.path()).unwrap().flatten();
        entries.any(|entry| entry.file_name().to_string_lossy().starts_with("pgdata.new."))
    };
    let mut process = hold_command(world.path(), "automatic").spawn().unwrap();
    until("initdb is at work", has_begun);
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(!world.path().join("pgdata").exists());
    let cluster = start(world.path(), &Source::Automatic);
    assert_eq!(ask(&cluster, "select 1"), ["1"]);
    assert!(!has_begun());
}

#[test]
fn a_stale_pid_that_now_belongs_to_a_stranger_does_not_stop_a_start() {
    for source in sources() {
        let world = world();
        let cluster = start(world.path(), &source);
        let socket_dir = cluster.socket_dir().to_owned();
        kill(cluster.pid(), Signal::KILL);
        drop(cluster);

        let pgdata = world.path().join("pgdata");
        let mut stranger = stranger_of(&pgdata);
        for file in [pgdata.join("postmaster.pid"), socket_dir.join(".s.PGSQL.5432.lock")] {
            put_pid(&file, &pgdata, stranger.id());
        }
        let cluster = start(world.path(), &source);
        assert_eq!(ask(&cluster, "select 1"), ["1"]);
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger was left alone");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}

/// A lock file of PostgreSQL's, owned as PostgreSQL would own it.
fn put_pid(file: &Path, pgdata: &Path, pid: u32) {
    fs::write(file, format!("{pid}\n{}\n1700000000\n5432\n", pgdata.display())).unwrap();
    let owner = fs::metadata(pgdata).unwrap();
    lchown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
}

#[test]
fn a_second_program_on_the_same_folder_is_refused_and_told_who_has_it() {
    let world = world();
    let cluster = start(world.path(), &Source::Automatic);
    let second = hold_command(world.path(), "automatic").stderr(Stdio::piped()).output().unwrap();
    let refusal = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success());
    assert!(refusal.contains(world.path().to_str().unwrap()), "{refusal}");
    assert!(refusal.contains(&format!("pid {}", std::process::id())), "{refusal}");
    assert!(refusal.contains("stop that program first"), "{refusal}");

    // Not even this program itself may have it twice; and the first one does not notice.
    let again = Cluster::start(&options(world.path(), Source::Automatic));
    assert!(matches!(again, Err(Error::InUse { .. })));
    assert_eq!(ask(&cluster, "select 1"), ["1"]);
}
