//! A cluster starts, once and again, from every source, and is what it promises to be.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::{ask, is_root, nothing_installed, options, sources, start, try_ask_at, world};
use orders_embedded::{Cluster, Error, Options, SUPERUSER, Source};

#[test]
fn a_first_start_makes_a_cluster_and_a_second_one_finds_what_was_committed() {
    for source in sources() {
        let world = world();
        let cluster = start(world.path(), &source);
        let version = ask(&cluster, "show server_version").remove(0);
        assert!(version.starts_with(cluster.server_version()), "{version}");
        assert!(cluster.server().to_string().contains(cluster.server_version()));
        assert_eq!(cluster.major() >= 18, source == Source::Carried || cluster.major() >= 18);
        ask(&cluster, "create table kept (n int); insert into kept values (1), (2)");
        cluster.stop().unwrap();

        let cluster = start(world.path(), &source);
        assert_eq!(ask(&cluster, "select n from kept order by n"), ["1", "2"]);
        assert_eq!(ask(&cluster, "select count(*) from kept"), ["2"]);
    }
}

#[test]
fn functions_with_exceptions_and_parallel_sessions_work_on_every_source() {
    for source in sources() {
        let world = world();
        let cluster = start(world.path(), &source);
        let caught = "create function caught() returns text language plpgsql as $$
            begin
                perform 1 / 0;
            exception when division_by_zero then
                return 'caught ' || gen_random_uuid();
            end $$";
        ask(&cluster, caught);
        assert!(ask(&cluster, "select caught()")[0].starts_with("caught "));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(ask(&cluster, "select pg_sleep(0.01), 1").len(), 1));
            }
        });
    }
}

#[test]
fn the_promised_settings_are_on_and_the_caller_can_only_change_the_others() {
    for source in sources() {
        let world = world();
        let settings = [("shared_buffers", "32MB"), ("fsync", "off"), ("listen_addresses", "*")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = Options { settings: settings.to_vec(), ..options(world.path(), source) };
        let cluster = Cluster::start(&options).unwrap();
        for (name, value) in [
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("data_checksums", "on"),
            ("track_functions", "pl"),
            ("listen_addresses", ""),
            ("unix_socket_permissions", "0700"),
            ("server_encoding", "UTF8"),
            ("timezone", "UTC"),
            ("max_connections", "100"),
            ("max_wal_size", "2GB"),
            ("shared_buffers", "32MB"),
        ] {
            assert_eq!(ask(&cluster, &format!("show {name}")), [value], "{name}");
        }
        assert_eq!(ask(&cluster, "select 'a' < 'B'"), ["f"], "the order is that of code points");
        if cluster.major() >= 17 {
            assert_eq!(ask(&cluster, "select upper('größe é')"), ["GRÖSSE É".replace("SS", "ß")]);
        }
    }
}

#[test]
fn without_an_installed_server_the_carried_one_is_used() {
    let world = world();
    match Cluster::start(&nothing_installed(world.path())) {
        Ok(cluster) => {
            assert_eq!(cluster.major(), 18);
            assert!(cluster.server().to_string().contains("carried in this program"));
            assert_eq!(ask(&cluster, "select 40 + 2"), ["42"]);
        }
        // Another kind of machine: the refusal says so and what to do.
        Err(error) => assert!(error.to_string().contains("carries no PostgreSQL"), "{error}"),
    }
}

#[test]
fn a_cluster_of_another_major_version_is_refused_and_left_alone() {
    for source in [Source::Automatic, Source::Carried, Source::Installed] {
        let world = world();
        fs::create_dir(world.path().join("pgdata")).unwrap();
        fs::write(world.path().join("pgdata/PG_VERSION"), "13\n").unwrap();
        let refusal = Cluster::start(&options(world.path(), source)).unwrap_err();
        assert!(matches!(refusal, Error::OtherMajor { major: 13, .. }), "{refusal}");
        assert!(refusal.to_string().contains("install PostgreSQL 13"), "{refusal}");
        assert_eq!(fs::read_dir(world.path().join("pgdata")).unwrap().count(), 1);
    }
}

#[test]
fn a_data_folder_with_a_long_and_awkward_name_works() {
    for source in sources() {
        let world = world();
        let long = world.path().join("it's, a: long; näme").join("x".repeat(120));
        let cluster = start(&long, &source);
        assert!(cluster.socket_dir().as_os_str().len() < 80);
        assert_eq!(ask(&cluster, "select 1"), ["1"]);
        let socket_dir = cluster.socket_dir().to_owned();
        cluster.stop().unwrap();
        fs::remove_dir(socket_dir).unwrap();

        let awkward = world.path().join("it's a: shört; näme");
        let cluster = start(&awkward, &source);
        assert!(cluster.socket_dir().starts_with(cluster.data_dir()));
        assert_eq!(ask(&cluster, "select 1"), ["1"]);
    }
}

#[test]
fn nobody_but_the_servers_user_can_enter_the_folders_of_the_cluster_and_its_socket() {
    let world = world();
    let cluster = start(world.path(), &Source::Automatic);
    let pgdata = fs::metadata(world.path().join("pgdata")).unwrap();
    let socket_dir = fs::metadata(cluster.socket_dir()).unwrap();
    assert_eq!(socket_dir.mode() & 0o777, 0o700);
    assert_eq!(pgdata.mode() & 0o777, 0o700);
    assert_eq!(pgdata.uid(), socket_dir.uid());
    assert_eq!(is_root(), pgdata.uid() != rustix::process::geteuid().as_raw());
}

#[test]
fn a_server_that_does_not_start_is_reported_with_its_own_words() {
    let world = world();
    let settings = vec![("no_such_setting".to_owned(), "1".to_owned())];
    let options = Options { settings, ..options(world.path(), Source::Automatic) };
    let error = Cluster::start(&options).unwrap_err().to_string();
    assert!(error.contains("did not start"), "{error}");
    assert!(error.contains("no_such_setting"), "{error}");
    assert!(error.contains("postgres.log"), "{error}");
}

#[test]
fn a_customers_data_does_not_get_into_the_log() {
    let world = world();
    let cluster = start(world.path(), &Source::Automatic);
    let refused = "do $$ begin
            create table person (name text check (name <> 'Ada Lovelace'));
            execute 'insert into person values (''Ada Lovelace'')';
        exception when check_violation then raise warning 'seen'; end $$";
    ask(&cluster, refused);
    let connection = cluster.connection_string("postgres", SUPERUSER);
    assert!(try_ask_at(&connection, "select 1 / 0, 'Ada Lovelace'").is_err());
    let log = fs::read_to_string(cluster.log_path()).unwrap();
    assert!(log.contains("division by zero"), "{log}");
    assert!(!log.contains("Lovelace"), "{log}");
}
