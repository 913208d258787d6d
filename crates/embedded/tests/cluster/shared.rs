//! The cluster that other crates' tests share.

use std::fs;

use crate::support::ask;
use orders_embedded::testing::shared_cluster;

#[test]
fn every_test_of_a_program_gets_the_same_durable_cluster_and_the_dead_are_swept() {
    // Somebody who died: a lock that nobody holds.
    let dead = std::env::temp_dir().join(format!("atomic-orders-test.dead-{}", std::process::id()));
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("lock"), "1\n").unwrap();

    let pids: Vec<u32> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| shared_cluster().pid())).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert!(pids.iter().all(|&pid| pid == pids[0]));
    assert_eq!(ask(shared_cluster(), "show fsync"), ["on"]);
    assert!(!dead.exists());
}
