//! A worker process: started, limited, spoken to, ended.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use metrics::counter;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::{Analysis, mib};
use crate::worker::{Done, Failed, Order, Said, Stage};

/// A worker that says more than this in one line is not one of ours.
const LONGEST_LINE: u64 = 16 << 20;

/// So much of the end of what it says on stderr is looked at for the reason of its end.
const LAST_WORDS: usize = 8 << 10;

/// How long a worker that has closed its output may take to end.
const ENDING: Duration = Duration::from_secs(5);

/// To the kernel, if memory runs out all the same: rather this one than the node (0 is usual, 1000 the most).
const OUT_OF_MEMORY_SCORE: &str = "500";

/// A worker process.
pub(super) struct Child {
    process: tokio::process::Child,
    /// It and whatever it has started.
    group: Pid,
    orders: ChildStdin,
    /// `None`: it has said something that is no message.
    said: mpsc::Receiver<Option<Said>>,
    last_words: Arc<Mutex<Vec<u8>>>,
    /// Until its stderr is closed.
    overhears: JoinHandle<()>,
    memory_mb: u64,
}

/// Why there are no results.
pub(super) enum Trouble {
    /// The worker says so.
    Failed(Failed),
    /// The worker ended, or does not do as workers do; why, for people.
    Died(String),
}

impl Child {
    /// Starts a worker with the limits that `analysis` sets.
    pub(super) fn start(analysis: &Analysis) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = match &analysis.wrapper[..] {
            [] => Command::new(program),
            [wrapper, arguments @ ..] => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(program);
                command
            }
        };
        command.arg("worker");
        if let Some(threads) = analysis.threads {
            command.arg("--threads").arg(threads.to_string());
        }
        command.arg("--device").arg(analysis.device.to_string());
        if let Some(size) = analysis.gpu_memory {
            command.arg("--gpu-memory").arg(size.to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let group = group.context("it ended at once")?;
        // CUDA reserves hundreds of GiB of addresses, for which there need be no memory: what can be written counts.
        let counted = if analysis.device.may_be_gpu() { Resource::Data } else { Resource::As };
        limit(group, counted, mib(analysis.memory_mb))?;
        // The memory of a process that fails holds patients.
        limit(group, Resource::Core, 0)?;
        // Where there is no such file there is no such killer.
        let _ = std::fs::write(format!("/proc/{group}/oom_score_adj"), OUT_OF_MEMORY_SCORE);

        let orders = process.stdin.take().context("it has no stdin")?;
        let (tell, said) = mpsc::channel(16);
        tokio::spawn(hear(process.stdout.take().context("it has no stdout")?, tell));
        let last_words = Arc::default();
        let stderr = process.stderr.take().context("it has no stderr")?;
        let overhears = tokio::spawn(overhear(stderr, Arc::clone(&last_words)));
        counter!("foci_worker_starts_total").increment(1);
        Ok(Self { process, group, orders, said, last_words, overhears, memory_mb: analysis.memory_mb })
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Has a study analysed. `tell` hears how far it is.
    ///
    /// To be called again only after results or [`Trouble::Failed`].
    pub(super) async fn analyze(
        &mut self,
        order: &Order,
        mut tell: impl FnMut(Stage),
    ) -> Result<Done, Trouble> {
        // What it said before has nothing to do with this study.
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut line = serde_json::to_vec(order).expect("an order is text");
        line.push(b'\n');
        if self.orders.write_all(&line).await.is_err() {
            return Err(Trouble::Died(self.why().await));
        }
        loop {
            match self.said.recv().await {
                Some(Some(Said::Stage(stage))) => tell(stage),
                Some(Some(Said::Done(done))) => return Ok(done),
                Some(Some(Said::Failed(failed))) => return Err(Trouble::Failed(failed)),
                Some(None) => return Err(Trouble::Died("the worker said what no worker says".to_owned())),
                None => return Err(Trouble::Died(self.why().await)),
            }
        }
    }

    /// Ends it and whatever it has started, at once.
    pub(super) async fn end(mut self) {
        // It may have ended already.
        let _ = rustix::process::kill_process_group(self.group, Signal::KILL);
        let _ = self.process.wait().await;
    }

    /// Why it has ended, or is about to.
    async fn why(&mut self) -> String {
        match timeout(ENDING, self.process.wait()).await {
            Ok(Ok(status)) => {
                // Whatever it has started holds its stderr open.
                let _ = rustix::process::kill_process_group(self.group, Signal::KILL);
                let _ = timeout(ENDING, &mut self.overhears).await;
                let last_words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
                let last_words = String::from_utf8_lossy(&last_words);
                format!("the worker {}", reason(status, &last_words, self.memory_mb))
            }
            Ok(Err(_)) | Err(_) => "the worker closed its output".to_owned(),
        }
    }
}

fn limit(process: Pid, resource: Resource, most: u64) -> Result<()> {
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    match rustix::process::prlimit(Some(process), resource, limit) {
        // It has ended already: that is heard of soon enough.
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).context("its memory cannot be limited"),
    }
}

/// Passes on what the worker says, until it ends or says what is no message.
async fn hear(from: ChildStdout, to: mpsc::Sender<Option<Said>>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut from).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let said = serde_json::from_slice(&line).ok();
        let is_last = said.is_none();
        if to.send(said).await.is_err() || is_last {
            return;
        }
    }
}

/// Keeps the end of what the worker says on stderr.
///
/// Libraries may write what they like there, patient data too: it is searched for known words, never shown.
async fn overhear(mut from: ChildStderr, last_words: Arc<Mutex<Vec<u8>>>) {
    let mut part = [0; 1024];
    while let Ok(length @ 1..) = from.read(&mut part).await {
        let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(&part[..length]);
        let too_many = words.len().saturating_sub(LAST_WORDS);
        words.drain(..too_many);
    }
}

/// What happened to a worker that ended so, with these last words.
fn reason(status: ExitStatus, last_words: &str, memory_mb: u64) -> String {
    const NO_MEMORY: [&str; 3] = ["memory allocation of", "std::bad_alloc", "Cannot allocate memory"];
    if NO_MEMORY.iter().any(|words| last_words.contains(words)) {
        return format!("ran out of memory (analysis.memory_mb is {memory_mb})");
    }
    if let Some(place) = panicked_at(last_words) {
        return format!("panicked at {place}");
    }
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let guess = match Signal::from_named_raw(signal) {
                Some(Signal::KILL) => " (killed, by the system if memory was short)",
                Some(Signal::ABORT) => " (it gave up, for want of memory or by a fault of ours)",
                Some(Signal::SEGV | Signal::BUS | Signal::ILL) => " (a fault in a library)",
                _ => "",
            };
            format!("ended by signal {signal}{guess}")
        }
        (None, Some(code)) => format!("ended with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The file and line of our own source that a panic names.
fn panicked_at(last_words: &str) -> Option<String> {
    let (_, place) = last_words.rsplit_once("panicked at ")?;
    let place = place.lines().next()?.trim_end_matches(':');
    let (path, rest) = place.split_once(".rs:")?;
    let line: u32 = rest.split(':').next()?.parse().ok()?;
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    file.chars().all(plain).then(|| format!("{file}.rs:{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: i32 = 9;
    const ABORTED: i32 = 6;

    #[track_caller]
    fn check(wait_status: i32, last_words: &str, expected: &str) {
        assert_eq!(reason(ExitStatus::from_raw(wait_status), last_words, 500), expected);
    }

    #[test]
    fn the_end_of_a_worker_is_put_in_words_and_nothing_it_wrote_is_repeated() {
        let memory = "ran out of memory (analysis.memory_mb is 500)";
        check(ABORTED, "memory allocation of 40000000 bytes failed\n", memory);
        check(ABORTED, "terminate called after throwing an instance of 'std::bad_alloc'", memory);
        check(KILLED, "DOE^JOHN", "ended by signal 9 (killed, by the system if memory was short)");
        check(3 << 8, "DOE^JOHN", "ended with code 3");
        let panic =
            "thread 'main' panicked at /home/me/engine/src/analyze.rs:120:9:\nDOE^JOHN is odd\nnote: run";
        check(101 << 8, panic, "panicked at analyze.rs:120");
        check(101 << 8, "panicked at DOE^JOHN.rs:1:1:\n", "ended with code 101");
    }
}
