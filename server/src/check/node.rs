//! Whether everything is there that a configuration names.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use anyhow::Result;
use futures_util::future::join_all;

use super::{Lines, free_bytes};
use crate::archive::Archive;
use crate::config::Config;
use crate::dicomweb::client::{self, Web};
use crate::dimse::scu;
use crate::dimse::tls::Identity;
use crate::http;
use crate::llm::Model;
use crate::node::Node;
use crate::store::Store;

/// Looks at everything that the configuration at `path` names.
pub(super) fn check(path: &Path, lines: &mut Lines) -> Result<()> {
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(wrong) => return wrong.faults.iter().try_for_each(|fault| lines.wrong("configuration", fault)),
    };
    let (peers, webs, rules) = (config.peer.len(), config.dicomweb.len(), config.rule.len());
    lines.ok("configuration", format!("peers: {peers}, DICOMweb servers: {webs}, rules: {rules}"))?;
    if rules == 0 {
        lines.note("rules", "there are none: studies are kept and none is analyzed")?;
    }
    data(&config, lines)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(database(&config, lines))?;
    ports(&config, lines)?;
    let webs = files(&config, lines)?;
    runtime.block_on(answers(&config, &webs, lines))
}

/// The folder, and room on its disk.
fn data(config: &Config, lines: &mut Lines) -> Result<()> {
    let folder = &config.data;
    let Some(there) = folder.ancestors().map(or_here).find(|place| place.exists()) else {
        return lines.wrong("data", "no folder above it can be seen");
    };
    if !there.is_dir() {
        return lines.wrong("data", format!("{} is no folder", there.display()));
    }
    // Rights say less than trying: the disk may be mounted read-only.
    if let Err(error) = tempfile::Builder::new().prefix(".foci-check").tempfile_in(there) {
        return lines.wrong("data", format!("nothing can be written to {}: {error}", there.display()));
    }
    if there == or_here(folder) {
        lines.ok("data", folder.display().to_string())?;
    } else {
        lines.missing("data", format!("{} is made at the first start", folder.display()))?;
    }
    let minimum = config.studies.minimum_free_mb;
    match free_bytes(there).map(|bytes| bytes >> 20) {
        Some(free) if free > minimum => lines.ok("data disk", format!("{free} MiB free")),
        Some(free) => lines.wrong(
            "data disk",
            format!("{free} MiB free, and senders are refused below {minimum} (studies.minimum_free_mb)"),
        ),
        None => lines.wrong("data disk", "it does not say how much is free"),
    }
}

/// The empty path is the folder where we are.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

async fn database(config: &Config, lines: &mut Lines) -> Result<()> {
    if !Store::exists(&config.data) {
        return lines.missing("database", "it is made at the first start");
    }
    match Store::open(&config.data).await {
        Ok(store) => {
            store.close().await;
            lines.ok("database", format!("version {}", Store::VERSION))
        }
        Err(error) => lines.wrong("database", format!("{error:#}")),
    }
}

/// Each is bound and let go, but for those of the node itself.
fn ports(config: &Config, lines: &mut Lines) -> Result<()> {
    let is_running = Archive::is_held(&config.data);
    config.sockets().into_iter().try_for_each(|(setting, address)| port(setting, address, is_running, lines))
}

fn port(setting: &str, address: SocketAddr, is_running: bool, lines: &mut Lines) -> Result<()> {
    use std::io::ErrorKind;
    match TcpListener::bind(address) {
        Ok(_) => lines.ok(setting, format!("{address} is free")),
        Err(error) => match error.kind() {
            ErrorKind::AddrInUse if is_running => {
                lines.ok(setting, format!("{address} is in use, and this node runs"))
            }
            ErrorKind::AddrInUse => lines.wrong(
                setting,
                format!("{address} is in use by another program: stop that, or choose another port"),
            ),
            ErrorKind::AddrNotAvailable => {
                lines.wrong(setting, format!("{address} is no address of this machine"))
            }
            ErrorKind::PermissionDenied => {
                lines.wrong(setting, format!("{address} is not for this user: choose a port above 1023"))
            }
            _ => lines.wrong(setting, format!("{address} cannot be listened on: {error}")),
        },
    }
}

/// Certificates, keys and tokens; the DICOMweb servers that can be asked with them.
fn files(config: &Config, lines: &mut Lines) -> Result<Vec<Web>> {
    if let Some(tls) = &config.dicom.tls {
        match Identity::load(tls) {
            Ok(_) => {
                lines.ok("dicom.tls", "certificate, key and trusted belong together and are valid today")?
            }
            Err(error) => lines.wrong("dicom.tls", format!("{error:#}"))?,
        }
    }
    let mut webs = Vec::new();
    for web in &config.dicomweb {
        match Web::new(web) {
            Ok(ready) => {
                lines.ok("dicomweb", format!("{}: its token and certificates can be read", web.name))?;
                webs.push(ready);
            }
            Err(error) => lines.wrong("dicomweb", format!("{error:#}"))?,
        }
    }
    if let Some(file) = &config.http.token_file {
        match http::check_token(file) {
            Ok(()) => lines.ok("http.token_file", "it can be used")?,
            Err(error) => lines.wrong("http.token_file", format!("{error:#}"))?,
        }
    }
    if let Some(file) = config.alert.as_ref().and_then(|alert| alert.token_file.as_ref()) {
        match client::bearer(file) {
            Ok(_) => lines.ok("alert.token_file", "it can be used")?,
            Err(error) => lines.wrong("alert.token_file", format!("{error:#}"))?,
        }
    }
    Ok(webs)
}

/// Whether those answer whom we call. That they do not may be their business, so it is no more than noted.
async fn answers(config: &Config, webs: &[Web], lines: &mut Lines) -> Result<()> {
    // Only a node can call. This one has a database of its own, which is thrown away.
    let folder = tempfile::tempdir()?;
    let node = Node::new(config.clone(), Store::open(folder.path()).await?);
    let called: Vec<_> = config.peer.iter().filter(|peer| peer.host.is_some()).collect();
    let echoes = join_all(called.iter().map(|peer| scu::echo(&node, peer))).await;
    for (peer, answer) in called.iter().zip(echoes) {
        let name = &peer.name;
        match answer {
            Ok(()) => lines.ok("peer", format!("{name}: it answers (C-ECHO)"))?,
            Err(error) => lines.note("peer", format!("{name}: it does not answer (C-ECHO): {error:#}"))?,
        }
    }
    node.store.close().await;
    let asked = webs.iter().map(async |web| (web.name(), web.find_studies(&[("limit", "1")]).await));
    for (name, answer) in join_all(asked).await {
        match answer {
            Ok(_) => lines.ok("dicomweb", format!("{name}: it answers (QIDO-RS)"))?,
            Err(error) => {
                lines.note("dicomweb", format!("{name}: it does not answer (QIDO-RS): {error:#}"))?
            }
        }
    }
    let Some(llm) = &config.llm else { return Ok(()) };
    let model = match Model::new(llm) {
        Ok(model) => model,
        Err(error) => return lines.wrong("llm", format!("{error:#}")),
    };
    let wanted = &llm.model;
    match model.names().await {
        Ok(names) if names.contains(wanted) => lines.ok("llm", format!("it answers, and has {wanted}")),
        Ok(names) => lines.wrong("llm", format!("it has no model {wanted:?}; it has {}", names.join(", "))),
        Err(failure) => lines.note("llm", format!("{failure}; until then the template writes")),
    }
}
