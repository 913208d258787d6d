//! Children that die with their parent, and the thread that keeps the server.
//!
//! Linux sends the parent-death signal when the *thread* that made the child ends. So the server
//! is made by a thread of its own, which lives as long as the [`Keeper`] and then stops it.
//! When this process dies in whatever way, that thread dies too and the server shuts down by itself.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::account::Account;
use crate::wait;

/// What to send, and how long to wait for the end. PostgreSQL's fast shutdown first (sessions are
/// ended, everything is written), then the immediate one (the next start recovers), then the
/// kernel.
const WAYS_TO_STOP: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(30)),
    (Signal::QUIT, Duration::from_secs(10)),
    (Signal::KILL, Duration::from_secs(10)),
];

/// A program of PostgreSQL's, run as `account`: it dies with us, is not hit by our terminal's
/// Ctrl-C, and sees nothing of our environment that would talk it into something else.
pub fn command(program: &Path, account: &Account) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PG") || text.starts_with("LC_") || text.starts_with("LANG") {
            command.env_remove(&name);
        }
    }
    // Messages in English: they end up in our log and in our errors.
    command.env("LC_ALL", "C").current_dir("/").stdin(Stdio::null()).process_group(0);
    account.apply(&mut command);
    #[cfg(target_os = "linux")]
    die_with_parent(&mut command);
    command
}

/// SIGINT, PostgreSQL's fast shutdown, when our thread ends. Changing the user clears this setting,
/// and std changes the user before it runs this.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "only `pre_exec` runs between fork and exec, and it is unsafe")]
fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let ask_for_the_signal = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::INT))?;
        // If the parent died before the line above, no signal will ever come.
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::Error::from(rustix::io::Errno::SRCH))
        }
    };
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes two
    // bare system calls, compares numbers and builds an `io::Error` from one: it allocates nothing
    // and takes no lock.
    unsafe {
        command.pre_exec(ask_for_the_signal);
    }
}

/// A running server and the thread that owns it.
#[derive(Debug)]
pub struct Keeper {
    pid: u32,
    /// Asks the thread how the server is; hanging up means stop.
    questions: Option<Sender<Question>>,
    thread: Option<JoinHandle<Ending>>,
}

/// The answer goes here: how the server ended, if it has.
type Question = Sender<Option<ExitStatus>>;

/// How a server that was told to stop came to its end; `None` when it never did.
type Ending = Option<ExitStatus>;

impl Keeper {
    /// Starts `command` in a thread of its own.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let (started, start) = mpsc::channel();
        let (questions, asked) = mpsc::channel();
        let thread = thread::Builder::new().name("postgres keeper".to_owned()).spawn(
            move || match command.spawn() {
                Ok(child) => {
                    let _ = started.send(Ok(child.id()));
                    keep(child, &asked)
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                    None
                }
            },
        )?;
        let pid = start.recv().map_err(io::Error::other)??;
        Ok(Self { pid, questions: Some(questions), thread: Some(thread) })
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How the server ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        let (answer, answered) = mpsc::channel();
        self.questions.as_ref()?.send(answer).ok()?;
        answered.recv().ok()?
    }

    /// Stops the server and waits for its end; false when even the kernel could not end it.
    pub fn stop(&mut self) -> bool {
        self.questions = None;
        self.thread.take().is_none_or(|thread| thread.join().is_ok_and(|ending| ending.is_some()))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The life of the keeper's thread.
fn keep(mut child: Child, asked: &Receiver<Question>) -> Ending {
    while let Ok(answer) = asked.recv() {
        let _ = answer.send(child.try_wait().ok().flatten());
    }
    for (signal, limit) in WAYS_TO_STOP {
        // A child that is not reaped keeps its pid, so the signal cannot hit a stranger.
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, signal);
        }
        if let Some(status) = wait::until(limit, || child.try_wait().ok().flatten()) {
            return Some(status);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn account() -> Account {
        Account::choose(Path::new("/nonexistent")).unwrap()
    }

    /// Something that runs for long and heeds its signals, also where these tests were started in the
    /// background of a script, whose children ignore SIGINT.
    fn sleeping() -> Command {
        let mut sleeping = command(Path::new("/usr/bin/env"), &account());
        sleeping.args(["--default-signal=INT", "sleep", "600"]);
        sleeping
    }

    fn wait_until_asleep(pid: u32) {
        let name = || std::fs::read_to_string(format!("/proc/{pid}/comm")).ok();
        let asleep = || name().filter(|name| name.trim() == "sleep");
        assert!(wait::until(Duration::from_secs(10), asleep).is_some());
    }

    #[test]
    fn a_child_is_in_a_process_group_of_its_own_and_dies_with_the_thread_that_keeps_it() {
        let mut keeper = Keeper::start(sleeping()).unwrap();
        wait_until_asleep(keeper.pid());
        let pid = Pid::from_raw(i32::try_from(keeper.pid()).unwrap()).unwrap();
        assert_eq!(rustix::process::getpgid(Some(pid)).unwrap(), pid);
        assert_eq!(keeper.exit_status(), None);
        let start = Instant::now();
        assert!(keeper.stop());
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn the_signal_comes_when_only_the_thread_ends() {
        let child = thread::spawn(|| {
            let child = sleeping().spawn().unwrap();
            wait_until_asleep(child.id());
            child
        });
        let mut child = child.join().unwrap();
        assert!(wait::until(Duration::from_secs(10), || child.try_wait().unwrap()).is_some());
    }

    #[test]
    fn an_early_end_is_seen_and_a_missing_program_is_an_error() {
        let keeper = Keeper::start(command(Path::new("/bin/false"), &account())).unwrap();
        let status = wait::until(Duration::from_secs(10), || keeper.exit_status()).unwrap();
        assert!(!status.success());
        assert!(Keeper::start(command(Path::new("/nonexistent"), &account())).is_err());
    }
}
