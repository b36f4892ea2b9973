//! `foci serve`: the PACS node, wired.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::archive::Archive;
use crate::config::Config;
use crate::intake::Intake;
use crate::log::Log;
use crate::node::{Node, Stop};
use crate::store::Store;
use crate::{alert, delivery, dimse, explain, http, jobs, plan, studies};

/// Run as a node beside the PACS: studies come in, results go back
///
/// Takes studies by C-STORE and STOW-RS, analyzes them as the rules of the configuration say, and sends
/// the results to where the rules say. Prints one line when it is ready: `ready`, then the addresses it
/// listens on (`dicom=`, `dicom-tls=`, `http=`). Logs JSON lines to stderr, UIDs only. Ends in good order on
/// SIGTERM or Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The configuration; see foci.example.toml
    #[arg(long, value_name = "FILE", default_value = "foci.toml")]
    config: PathBuf,

    /// Do not serve; print what would be done with this study, and why: a path, or the UID of one that came
    #[arg(long, value_name = "STUDY")]
    explain: Option<String>,

    /// Explain it as if it came from here: the name of a peer, stow or pull
    #[arg(long, value_name = "NAME", requires = "explain")]
    sender: Option<String>,

    #[command(flatten)]
    log: Log,
}

impl Serve {
    pub(crate) fn run(self) -> Result<()> {
        let config = Config::read(&self.config)?;
        if let Some(study) = &self.explain {
            return explain::explain(&config, study, self.sender.as_deref());
        }
        self.log.start();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(serve(config))
    }
}

async fn serve(config: Config) -> Result<()> {
    let _lock = Archive::lock(&config.data)?;
    let store = Store::open(&config.data).await?;
    let node = Node::new(config, store);
    let intake = Arc::new(Intake::new(node.clone()));
    let dicom = dimse::scp::Server::bind(node.clone(), intake.clone()).await?;
    let listening = http::Listening { plain: dicom.plain(), tls: dicom.tls() };
    let web = http::Server::bind(node.clone(), intake, listening).await?;

    let (ask, stop) = Stop::new();
    let mut line = "ready".to_owned();
    for (name, address) in [("dicom", dicom.plain()), ("dicom-tls", dicom.tls()), ("http", web.address())] {
        if let Some(address) = address {
            line += &format!(" {name}={address}");
        }
    }
    let mut parts = tokio::task::JoinSet::new();
    parts.spawn(dicom.run(stop.clone()));
    parts.spawn(web.run(stop.clone()));
    parts.spawn(studies::run(node.clone(), stop.clone()));
    parts.spawn(plan::run(node.clone(), stop.clone()));
    parts.spawn(jobs::run(node.clone(), stop.clone()));
    parts.spawn(delivery::run(node.clone(), stop.clone()));
    parts.spawn(alert::run(node.clone(), stop.clone()));
    // Before anybody hears that it is ready: who stops it right then stops it in good order too.
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    writeln!(std::io::stdout(), "{line}")?;

    let mut ended = None;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        part = parts.join_next() => ended = part,
    }
    // Receivers are all gone only if every part has ended.
    let _ = ask.send(true);
    let mut result = match ended {
        Some(part) => part.context("a part of the node failed")?,
        None => Ok(()),
    };
    while let Some(part) = parts.join_next().await {
        result = result.and(part.context("a part of the node failed")?);
    }
    node.store.close().await;
    result
}
