//! Children that do not outlive this process, however it ends: no destructor runs when it is killed.

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;
use tokio::process::Command;

/// Kills the child when this process ends; also one that stands still. Linux sends the signal when the
/// *thread* that starts the child ends, so a child is started by a thread that lives as long as it is
/// wanted: the test's own, or one of the runtime's workers, and never one for blocking work.
#[expect(unsafe_code, reason = "only `pre_exec` runs between fork and exec, and it is unsafe")]
pub fn to_this_process(command: &mut Command) {
    let parent = getpid();
    let ask_for_the_signal = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // If the parent died before the line above, no signal will ever come.
        if getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::Error::from(rustix::io::Errno::SRCH))
        }
    };
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes two bare
    // system calls, compares numbers and builds an `io::Error` from one: it allocates nothing and takes no
    // lock.
    unsafe {
        command.pre_exec(ask_for_the_signal);
    }
}
