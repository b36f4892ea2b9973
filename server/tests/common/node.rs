//! A running node, as `foci serve` runs it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Scene, foci};

/// `foci serve` on ports of the system's choice; killed when dropped.
pub(crate) struct Node {
    child: Child,
    /// 0 where it does not listen.
    pub(crate) dicom: u16,
    pub(crate) dicom_tls: u16,
    pub(crate) http: u16,
    log: PathBuf,
}

/// What every test's node is told; `data` is a folder of the scene.
pub(crate) fn config(scene: &Scene, more: &str) -> PathBuf {
    let data = scene.path("data");
    let path = scene.path("foci.toml");
    let text = format!("data = {data:?}\n{more}\n");
    std::fs::write(&path, text).unwrap();
    path
}

impl Node {
    /// Starts it and waits until it is ready. Its log goes to `log` in the scene, appended.
    #[track_caller]
    pub(crate) fn start(scene: &Scene, config: &Path) -> Self {
        let mut command = foci(scene);
        Self::start_with(scene, command.arg("serve").arg("--config").arg(config))
    }

    /// Starts it by `command`, which may be `foci serve` behind something else (strace).
    #[track_caller]
    pub(crate) fn start_with(scene: &Scene, command: &mut Command) -> Self {
        let log = scene.path("node.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(file).stdin(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready"), "{line:?}; {}", std::fs::read_to_string(&log).unwrap());
        let port = |name: &str| {
            let named = line.split_whitespace().find_map(|word| word.strip_prefix(name));
            named.map_or(0, |address| address.rsplit(':').next().unwrap().parse().unwrap())
        };
        Self { dicom: port("dicom="), dicom_tls: port("dicom-tls="), http: port("http="), child, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits until it has; it must end well.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        signal(self.pid(), Signal::TERM);
        let log = || format!("the node stops: {}", std::fs::read_to_string(&self.log).unwrap());
        let status = wait_at_most(Duration::from_secs(60), log, || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `done` says something, for at most a minute.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, done: impl FnMut() -> Option<T>) -> T {
    wait_at_most(Duration::from_secs(60), || what.to_owned(), done)
}

/// Waits until `done` says something; after `time` the test fails, and says `what` it has waited for.
#[track_caller]
pub(crate) fn wait_at_most<T>(
    time: Duration,
    what: impl Fn() -> String,
    mut done: impl FnMut() -> Option<T>,
) -> T {
    let since = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(since.elapsed() < time, "waited in vain: {}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that nobody listens on. The system gives it to nobody who asks for any port, nor to a connection as
/// its own end: those are higher.
pub(crate) fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 10_000..30_000;
    // Anywhere, for other tests may be running; then one after the other.
    static NEXT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new((RandomState::new().build_hasher().finish() % 20_000) as u16));
    loop {
        let port = PORTS.start + NEXT.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What `foci serve` says on stderr with a configuration that keeps it from starting.
#[track_caller]
pub(crate) fn not_started(scene: &Scene, config: &Path) -> String {
    let program = foci(scene);
    // A node that starts by mistake fails the test rather than hangs it.
    let mut timed = Command::new("timeout");
    timed.arg("20").arg(program.get_program()).args(["serve", "--config"]).arg(config);
    let output = timed.current_dir(program.get_current_dir().unwrap()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// The processes that `parent` has started and that still run.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        // `pid (name) state parent ..`; the name may hold anything.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut after = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let state = after.next().unwrap_or("Z");
        state != "Z" && after.next() == Some(parent.to_string().as_str())
    };
    pids.filter(is_child).collect()
}

/// Sends a signal to a process that this test has started; it may have ended just now.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal);
}
