//! A model from a file (GGUF): the server of llama.cpp, started beside us for one report and ended with it.
//!
//! It is a program of its own, not a library of ours: whoever wants no model builds and ships nothing of it, a fault
//! in it takes nothing else down, and its memory is free when the report is written. What it is asked, and how its
//! replies are forced into their form, is the same as of any other server.

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use super::{Kind, Model, Settings};

/// The program, where none is named by the environment.
const PROGRAM: &str = "llama-server";

/// Names another program.
const VARIABLE: &str = "FOCI_LLAMA_SERVER";

/// What it can keep in mind: the largest prompt (some 4,000 tokens) and its answer.
const CONTEXT: &str = "16384";

/// How long it may take to load the file.
const LOADING: Duration = Duration::from_secs(300);

/// A file with a model, and a program that can run it.
#[derive(Debug)]
pub(crate) struct Gguf {
    file: PathBuf,
    program: PathBuf,
    /// SHA-256 of the file, hexadecimal.
    pub(crate) sha256: String,
}

/// A model that runs; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    process: Child,
    pub(crate) model: Model,
}

impl Gguf {
    /// Looks at the file and for the program; nothing is started yet.
    ///
    /// # Errors
    ///
    /// If the file is no model, or the program is not installed.
    pub(crate) fn new(file: &Path) -> Result<Self> {
        let sha256 = sha256(file).with_context(|| format!("the model {}", file.display()))?;
        let named = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
        let program = PathBuf::from(named.unwrap_or_else(|| PROGRAM.into()));
        let version = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
        ensure!(
            version.is_ok_and(|version| version.status.success()),
            "--gguf needs the server of llama.cpp: install {PROGRAM}, or name it by {VARIABLE}"
        );
        Ok(Self { file: file.to_owned(), program, sha256 })
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    ///
    /// If it ends or takes too long: the file may be damaged or too large for this machine.
    pub(crate) fn start(&self) -> Result<Running> {
        // Free a moment ago; if somebody else takes it meanwhile, the program ends and says so.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = Settings {
            url: format!("http://127.0.0.1:{port}/v1"),
            model: self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            kind: Kind::LlamaCpp,
            // A machine without a graphics card reads a prompt for minutes.
            first_token_s: 900.0,
            total_s: 1800.0,
            ..Settings::default()
        };
        let model = Model::new(&settings)?;
        let mut command = Command::new(&self.program);
        command
            .arg("--model")
            .arg(&self.file)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--ctx-size", CONTEXT, "--parallel", "1", "--alias", &settings.model])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        ends_with_us(&mut command);
        let process = command.spawn().context("the server of llama.cpp cannot be started")?;
        let mut running = Running { process, model };
        let until = Instant::now() + LOADING;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        while runtime.block_on(running.model.names()).is_err() {
            if let Some(status) = running.process.try_wait()? {
                bail!("the server of llama.cpp ended ({status}): the model may be damaged or too large");
            }
            ensure!(Instant::now() < until, "the model was not loaded within {} s", LOADING.as_secs());
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Has the kernel end it with the thread that starts it, however that ends: who is killed tidies nothing up.
fn ends_with_us(command: &mut Command) {
    let ask = || Ok(rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?);
    // SAFETY: between fork and exec only one system call is made, and nothing is allocated.
    unsafe { command.pre_exec(ask) };
}

/// The hash of a GGUF file.
fn sha256(file: &Path) -> Result<String> {
    let mut file = File::open(file).context("it cannot be read")?;
    let mut hash = Sha256::new();
    let mut part = vec![0; 1 << 20];
    let mut begun = false;
    loop {
        let read = file.read(&mut part).context("it cannot be read")?;
        if read == 0 {
            break;
        }
        ensure!(begun || part[..read].starts_with(b"GGUF"), "it is no GGUF file");
        begun = true;
        hash.update(&part[..read]);
    }
    ensure!(begun, "it is empty");
    Ok(crate::archive::hex(&hash.finalize()))
}
