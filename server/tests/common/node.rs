//! A running node, as `foci serve` runs it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
        let asked = Command::new("kill").arg(self.pid().to_string()).status().unwrap();
        assert!(asked.success());
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "the node does not stop: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        };
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
pub(crate) fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
