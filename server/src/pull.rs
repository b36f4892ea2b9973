//! `foci pull`: a study fetched from a peer.

mod archive;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dicom_io::Uid;
use dicom_io::net::file;
use dicom_io::net::pdu::AeTitle;
use tempfile::TempDir;

use crate::config::{self, Config, Lane, mib};
use crate::dicomweb::client::{Outcome, Web};
use crate::dimse::scu;
use crate::intake::{Intake, Sender};
use crate::node::Node;
use crate::store::Store;
use archive::{Archive, Listed};

/// How long our own node may take to answer.
const HERE: Duration = Duration::from_secs(5);

/// Fetch a study from a PACS
///
/// Has the PACS send the study to the node that runs with this configuration (C-MOVE), which analyzes it
/// like any other. With --get, and from a DICOMweb server, this program fetches it and hands it to that
/// node; with --output it puts it into a folder instead. Prints one line for each study: its UID and how
/// many objects came.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Pull {
    /// The configuration, which names the PACS; see foci.example.toml
    #[arg(long, value_name = "FILE", default_value = "foci.toml")]
    config: PathBuf,

    /// The PACS: the name of a peer or DICOMweb server in the configuration
    #[arg(long, value_name = "NAME")]
    from: String,

    /// Study Instance UID of the study to fetch
    #[arg(long, value_name = "UID", value_parser = Uid::parse, group = "what")]
    study: Option<Uid>,

    /// Fetch the earlier studies of the patient of this study instead
    #[arg(long, value_name = "UID", value_parser = Uid::parse, group = "what")]
    priors_of: Option<Uid>,

    /// Of the earlier studies, only those with this modality
    #[arg(long, value_name = "CT|MR|..", requires = "priors_of")]
    modality: Option<String>,

    /// Fetch nothing; print for each study its UID, date, modalities and number of objects
    #[arg(long, conflicts_with_all = ["get", "output"])]
    list: bool,

    /// Fetch over the connection that asks for it (C-GET), for a PACS that cannot call this node
    #[arg(long)]
    get: bool,

    /// Put the objects into this folder, and leave the node alone
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Pull {
    pub(crate) fn run(self) -> Result<()> {
        let config = Config::read(&self.config)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.pull(config))
    }

    async fn pull(self, config: Config) -> Result<()> {
        let archive = Archive::named(&self.from, &config)?;
        if let Some(output) = &self.output {
            std::fs::create_dir_all(output)
                .with_context(|| format!("the folder {} cannot be made", output.display()))?;
        }
        let room = Room::new(&config, self.output.as_deref()).await?;
        let studies = match (&self.study, &self.priors_of) {
            (Some(study), _) => vec![archive.study(&room.node, study).await?],
            (None, Some(study)) => archive.priors(&room.node, study, self.modality.as_deref()).await?,
            (None, None) => unreachable!("clap asks for one of them"),
        };
        let mut out = std::io::stdout().lock();
        for study in studies {
            if self.list {
                writeln!(out, "{}", study.line())?;
                continue;
            }
            let count = match &archive {
                Archive::Dimse(peer) if !self.get && self.output.is_none() => {
                    self.by_move(&room.node, peer, &study).await?
                }
                _ => self.by_fetching(&room, &archive, &study).await?,
            };
            writeln!(out, "{}\t{count} objects", study.uid)?;
        }
        Ok(())
    }

    /// Has the peer send the study to our node; how many objects it sent.
    async fn by_move(&self, node: &Node, peer: &config::Peer, study: &Listed) -> Result<usize> {
        let dicom = &node.config.dicom;
        let listens = [dicom.listen, dicom.tls.as_ref().and_then(|tls| tls.listen)];
        here(listens.into_iter().flatten().next(), "dicom.listen").await?;
        let title = AeTitle::parse(&dicom.ae_title).context("dicom.ae_title is no AE title")?;
        let moved = scu::move_study(node, peer, &study.uid, &title).await.map_err(|error| match error {
            scu::Error::Status { status, .. } if status.0 == 0xA801 => anyhow::anyhow!(
                "{} does not know {title} (status A801H): enter that AE title there, with the address and port \
                 of this node",
                self.from
            ),
            error => anyhow::Error::new(error).context(self.from.clone()),
        })?;
        let sent = usize::from(moved.progress.completed) + usize::from(moved.progress.warning);
        let failed = moved.progress.failed;
        ensure!(
            failed == 0,
            "{} could not send {failed} of {} objects of study {} to {title}: its log says why, and ours if it \
             reached us",
            self.from,
            sent + usize::from(failed),
            study.uid
        );
        Ok(sent)
    }

    /// Fetches the study and puts it where it belongs; how many objects there were.
    async fn by_fetching(&self, room: &Room, archive: &Archive, study: &Listed) -> Result<usize> {
        let intake = Intake::new(room.node.clone());
        let sender = Sender { name: "pull".to_owned(), lane: Lane::Normal };
        let (lost, odd) = match archive {
            Archive::Dimse(peer) => {
                let moved = scu::get_study(&room.node, peer, &study.uid, &intake, &sender)
                    .await
                    .with_context(|| self.from.clone())?;
                (moved.refused.max(usize::from(moved.progress.failed)), moved.quarantined)
            }
            Archive::Web(web) => {
                let retrieved = web.retrieve_study(&study.uid, &sender, &intake).await?;
                (retrieved.refused.len() + retrieved.missing, retrieved.quarantined)
            }
        };
        let files = room.files()?;
        let count = files.len();
        match &self.output {
            Some(output) => {
                for (uid, path) in files {
                    let place = output.join(format!("{uid}.dcm"));
                    std::fs::rename(&path, &place)
                        .with_context(|| format!("{} cannot be written", place.display()))?;
                }
            }
            None => hand_over(&room.node.config, files).await?,
        }
        ensure!(
            lost == 0,
            "{count} objects of study {} came from {}, and {lost} did not: see above, or its log",
            study.uid,
            self.from
        );
        ensure!(odd == 0, "{odd} objects of study {} have the UIDs of others, and were left", study.uid);
        ensure!(count > 0, "{} sent no object of study {}", self.from, study.uid);
        Ok(count)
    }
}

/// Where what is fetched lies until it is whole: a node without a network.
struct Room {
    node: Arc<Node>,
    folder: TempDir,
}

impl Room {
    /// Beside where it will go, so that files need not be copied.
    async fn new(config: &Config, output: Option<&Path>) -> Result<Self> {
        let mut name = tempfile::Builder::new();
        name.prefix(".foci-pull-");
        let folder = match output {
            Some(output) => name.tempdir_in(output),
            None => name.tempdir(),
        };
        let folder = folder.context("a folder for what comes cannot be made")?;
        let config = Config { data: folder.path().to_owned(), ..config.clone() };
        let store = Store::open(&config.data).await?;
        Ok(Self { node: Node::new(config, store), folder })
    }

    /// What came, by SOP Instance UID.
    fn files(&self) -> Result<Vec<(Uid, PathBuf)>> {
        let mut files = Vec::new();
        let images = self.folder.path().join("images");
        if !images.exists() {
            return Ok(files);
        }
        for study in std::fs::read_dir(images)? {
            for image in std::fs::read_dir(study?.path())? {
                let path = image?.path();
                let uid =
                    file::instance_uid(&std::fs::read(&path)?).context("what was kept is no DICOM file")?;
                files.push((uid, path));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Whether a node listens at `address`, which is the setting `name`.
async fn here(address: Option<SocketAddr>, name: &str) -> Result<SocketAddr> {
    let Some(mut address) = address else {
        bail!("the node of this configuration has no {name}: say --output DIR");
    };
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let connected = tokio::time::timeout(HERE, tokio::net::TcpStream::connect(address)).await;
    ensure!(
        matches!(connected, Ok(Ok(_))),
        "no node listens at {address} ({name}): start foci serve with this configuration, or say --output DIR"
    );
    Ok(address)
}

/// Gives `files` to the node that runs with `config`.
async fn hand_over(config: &Config, files: Vec<(Uid, PathBuf)>) -> Result<()> {
    let address = here(config.http.listen, "http.listen").await?;
    let node = Web::new(&config::Web {
        name: "here".to_owned(),
        url: format!("http://{address}/dicom-web"),
        allow_plain: true,
        token_file: config.http.token_file.clone(),
        trusted: None,
    })?
    .on_behalf_of("pull");
    // So many at once that no request is larger than the node takes.
    let limit = mib(config.http.request_mb) / 2;
    let mut batch = Vec::new();
    let mut bytes = 0;
    for (uid, path) in files {
        let length = std::fs::metadata(&path)?.len();
        if bytes + length > limit && !batch.is_empty() {
            give(&node, &std::mem::take(&mut batch)).await?;
            bytes = 0;
        }
        bytes += length;
        batch.push((uid, path));
    }
    give(&node, &batch).await
}

async fn give(node: &Web, batch: &[(Uid, PathBuf)]) -> Result<()> {
    for (uid, outcome) in node.store(batch).await {
        match outcome {
            Outcome::Stored => {}
            Outcome::ForNow(reason) | Outcome::Refused(reason) => {
                bail!("the node did not take object {uid}: {reason}")
            }
        }
    }
    Ok(())
}
