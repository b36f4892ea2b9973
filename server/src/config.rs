//! The configuration of a node: one TOML file, typed, refused whole if anything in it is wrong.
//!
//! `foci.example.toml` describes every setting. What can only be seen by looking outside the file (does the
//! certificate load, does the weights' hash match) is looked at by [`check`](crate::check).

mod defaults;
#[cfg(test)]
mod example;
mod parse;
mod sense;

pub(crate) use sense::{is_this_machine, url_faults};

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dicom_io::Attribute;
use engine::narrative::Style;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use crate::device::{Choice, Size, Wanted, from_text};
use crate::llm;
use crate::patient::GuidelineName;

/// Senders that are no peers: what came by STOW-RS, and what was pulled.
const OTHER_SENDERS: [&str; 2] = ["stow", "pull"];

/// Everything that a node is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The folder that holds images, results and the database.
    #[serde(default)]
    pub(crate) data: PathBuf,
    #[serde(default)]
    pub(crate) dicom: Dicom,
    #[serde(default)]
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) studies: Studies,
    #[serde(default)]
    pub(crate) analysis: Analysis,
    #[serde(default)]
    pub(crate) delivery: Retry,
    /// DICOM nodes that may call, be called, or both.
    #[serde(default)]
    pub(crate) peer: Vec<Peer>,
    /// DICOMweb servers to pull from and push to.
    #[serde(default)]
    pub(crate) dicomweb: Vec<Web>,
    /// Which models run on what, and where results go: the first that applies.
    #[serde(default)]
    pub(crate) rule: Vec<Rule>,
    pub(crate) alert: Option<Alert>,
    /// The language model that writes; `None`: the template does.
    pub(crate) llm: Option<llm::Settings>,
    /// How `report.txt` is laid out.
    #[serde(default)]
    pub(crate) report: Report,
}

/// Our own DICOM node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dicom {
    pub(crate) ae_title: String,
    /// Where to listen without TLS; `None` (written `"off"`): nowhere.
    #[serde(deserialize_with = "address_or_off")]
    pub(crate) listen: Option<SocketAddr>,
    /// Lets DICOM without TLS leave this machine: when listening and when calling.
    pub(crate) allow_plain: bool,
    pub(crate) tls: Option<Tls>,
    pub(crate) limits: Limits,
}

/// DICOM over TLS: listening, and who we are when we call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// Where to listen with TLS; `None`: the certificate is only for calling others.
    pub(crate) listen: Option<SocketAddr>,
    /// Our certificate chain, PEM.
    #[serde(default)]
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM.
    #[serde(default)]
    pub(crate) key: PathBuf,
    /// Those who signed the certificates of our peers, PEM. Who shows none of theirs is refused.
    #[serde(default)]
    pub(crate) trusted: PathBuf,
}

/// How much a peer can take of us.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Associations at once, in all.
    pub(crate) associations: usize,
    /// Associations at once from one address.
    pub(crate) associations_per_address: usize,
    /// Connections that have not asked for an association yet. One more pushes out the oldest.
    pub(crate) pending: usize,
    /// The largest PDU that we take, bytes.
    pub(crate) pdu_bytes: u32,
    /// The largest object that we take, MiB.
    pub(crate) object_mb: u64,
    /// From the connection to the whole association request (ARTIM).
    pub(crate) request_s: u64,
    /// From the first byte of a message to its last.
    pub(crate) message_s: u64,
    /// Between two messages.
    pub(crate) idle_s: u64,
    /// From the first byte of an association to its last.
    pub(crate) association_s: u64,
}

/// The web server: status page, API, DICOMweb.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    /// `None` (written `"off"`): none.
    #[serde(deserialize_with = "address_or_off")]
    pub(crate) listen: Option<SocketAddr>,
    /// Lets `listen` be something else than this machine itself, without TLS: behind a proxy.
    pub(crate) allow_plain: bool,
    /// A file with the bearer token that every request must bring, but for /health and /ready.
    pub(crate) token_file: Option<PathBuf>,
    /// The largest STOW-RS request, MiB.
    pub(crate) request_mb: u64,
}

/// When a study is complete, and how long its images are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Studies {
    /// A study is complete when nothing has come for it for so long.
    pub(crate) stable_s: u64,
    /// Images of finished studies are removed after so many days; results and log stay. `None` (written
    /// `"never"`): never.
    #[serde(deserialize_with = "days_or_never")]
    pub(crate) keep_images_days: Option<u32>,
    /// With less than this free on the disk of `data`, senders are told A700H.
    pub(crate) minimum_free_mb: u64,
}

/// How studies are analysed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Analysis {
    /// Child processes that take whatever is next.
    pub(crate) workers: usize,
    /// Child processes that take emergencies only, so that none waits behind a long analysis.
    pub(crate) emergency_workers: usize,
    /// Threads of each.
    pub(crate) threads: Option<usize>,
    /// Where they compute.
    #[serde(deserialize_with = "from_text::<Choice, _, _>")]
    pub(crate) device: Choice,
    /// The GPU's memory that each may use; `None`: all that is free.
    #[serde(deserialize_with = "from_text::<Size, _, _>")]
    pub(crate) gpu_memory: Option<Size>,
    /// The memory of each, MiB: its addresses, or where it may compute on a GPU its data.
    pub(crate) memory_mb: u64,
    /// How long one study may take.
    pub(crate) deadline_s: u64,
    /// A study is given up after so many tries.
    pub(crate) attempts: u32,
    /// The wait before the second try; it doubles with each.
    pub(crate) retry_s: f64,
    /// A lease not renewed for so long is taken back.
    pub(crate) lease_s: f64,
    /// What to put before the worker's command: `["nice", "-n", "10"]`, a container runtime.
    pub(crate) wrapper: Vec<String>,
}

/// When to try a delivery again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retry {
    /// Given up after so many tries; those at a destination that takes nothing at all do not count.
    pub(crate) attempts: u32,
    /// The wait before the second try; it doubles with each.
    pub(crate) first_s: f64,
    /// And grows no longer than this.
    pub(crate) most_s: f64,
    /// How long to wait for the peer's word that it has committed to keep what was sent.
    pub(crate) commitment_s: f64,
}

/// A DICOM node that may call us, be called, or both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    /// What rules and commands call it.
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) ae_title: String,
    /// From where it may call; empty: from nowhere.
    #[serde(default)]
    pub(crate) addresses: Vec<Addresses>,
    /// Whether it may store objects here; if not, it may only say C-ECHO and report storage commitment.
    #[serde(default = "yes")]
    pub(crate) may_store: bool,
    /// The lane of what it sends, where no rule says otherwise.
    #[serde(default)]
    pub(crate) lane: Lane,
    /// Where to call it; `None`: never.
    pub(crate) host: Option<String>,
    #[serde(default = "dicom_port")]
    pub(crate) port: u16,
    /// Whether to call it with TLS, and to refuse its calls without.
    #[serde(default)]
    pub(crate) tls: bool,
    /// Whether to ask it to commit to what was sent.
    #[serde(default)]
    pub(crate) commitment: bool,
    /// Whether to ask it (C-FIND) how many instances a study has, so that completeness need not be guessed.
    #[serde(default)]
    pub(crate) counts: bool,
}

/// A DICOMweb server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Web {
    /// What rules and commands call it.
    #[serde(default)]
    pub(crate) name: String,
    /// The service's root: what `/studies` is put after.
    #[serde(default)]
    pub(crate) url: String,
    /// Lets `url` be on another machine and without TLS.
    #[serde(default)]
    pub(crate) allow_plain: bool,
    /// A file with the bearer token to bring.
    pub(crate) token_file: Option<PathBuf>,
    /// Those who signed its certificate, PEM, where the usual ones did not.
    pub(crate) trusted: Option<PathBuf>,
}

/// What is done with studies of one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) when: When,
    /// The models to run; empty: the study is kept and not analysed.
    #[serde(default)]
    pub(crate) models: Vec<String>,
    /// Names of peers and DICOMweb servers.
    #[serde(default)]
    pub(crate) send_to: Vec<String>,
    /// Otherwise the sender's.
    pub(crate) lane: Option<Lane>,
    #[serde(default)]
    pub(crate) language: Language,
    /// The guideline to advise by; of screening, where the rule is about screening.
    pub(crate) guideline: Option<GuidelineName>,
}

/// All that must hold of one series for a rule to apply to it. What is not given is not asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct When {
    /// The peer that sent the study, by name; `stow` for what came over the web, `pull` for what was pulled.
    pub(crate) sender: Vec<String>,
    pub(crate) modality: Vec<String>,
    /// A regular expression on Body Part Examined.
    pub(crate) body_part: Option<Pattern>,
    /// A regular expression on Series Description.
    pub(crate) series_description: Option<Pattern>,
    /// Regular expressions on further attributes, by keyword or by `gggg,eeee`.
    pub(crate) tags: BTreeMap<Attribute, Pattern>,
    /// At least so many images.
    pub(crate) minimum_images: Option<usize>,
}

/// Whom to tell of a critical finding at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alert {
    /// Gets a POST with the finding as JSON.
    #[serde(default)]
    pub(crate) url: String,
    /// Lets `url` be on another machine and without TLS.
    #[serde(default)]
    pub(crate) allow_plain: bool,
    /// A file with the bearer token to bring.
    pub(crate) token_file: Option<PathBuf>,
}

/// How reports are laid out as text.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Report {
    /// Whether the text ends with the version for the patient.
    pub(crate) patient_version: bool,
    /// The headings of the house, by language.
    pub(crate) headings: HouseHeadings,
}

/// Headings in each language.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HouseHeadings {
    pub(crate) en: Headings,
    pub(crate) zh: Headings,
}

/// The headings of a report's sections; `None`: the usual one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Headings {
    pub(crate) findings: Option<String>,
    pub(crate) impression: Option<String>,
    pub(crate) recommendation: Option<String>,
}

/// What goes first: the smaller, the sooner, also as the number that stands in the database.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Deserialize,
    serde::Serialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lane {
    Emergency,
    #[default]
    Normal,
    Bulk,
}

/// The language of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
pub(crate) enum Language {
    #[default]
    #[serde(rename = "en")]
    English,
    #[serde(rename = "zh")]
    Chinese,
}

/// One address (`10.0.0.7`) or a network (`10.0.0.0/24`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Addresses(IpNet);

/// A regular expression that was compiled when the configuration was read.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern(pub(crate) regex::Regex);

/// A configuration that is not to be used.
#[derive(Debug)]
pub(crate) struct Wrong {
    file: PathBuf,
    /// All that is wrong with it, one sentence each.
    pub(crate) faults: Vec<String>,
}

impl std::error::Error for Wrong {}

/// So many MiB in bytes. More than a number can hold is as much as it can: a limit that nothing reaches.
pub(crate) fn mib(count: u64) -> u64 {
    count.saturating_mul(1 << 20)
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration {} is wrong", self.file.display())?;
        match &self.faults[..] {
            [fault] => write!(f, ": {fault}"),
            faults => faults.iter().try_for_each(|fault| write!(f, "\n  {fault}")),
        }
    }
}

impl Config {
    /// Reads the file at `path` and checks what it says, as far as it says it itself. Relative paths in it
    /// count from its folder.
    ///
    /// # Errors
    ///
    /// All that is wrong at once: which setting, on which line where TOML knows it, and what would be right.
    pub(crate) fn read(path: &Path) -> Result<Self, Wrong> {
        let wrong = |faults| Wrong { file: path.to_owned(), faults };
        let text = std::fs::read_to_string(path)
            .map_err(|error| wrong(vec![format!("it cannot be read: {error}")]))?;
        let (mut config, mut faults) = parse::parse(&text).map_err(wrong)?;
        faults.extend(sense::faults(&config));
        if !faults.is_empty() {
            return Err(wrong(faults));
        }
        // Of a bare file name the folder is the empty path, which is where we are.
        let folder = path.parent().expect("what was read as a file has a name");
        for path in config.paths() {
            *path = folder.join(&path);
        }
        Ok(config)
    }

    /// Every path in it.
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let tls =
            self.dicom.tls.iter_mut().flat_map(|tls| [&mut tls.certificate, &mut tls.key, &mut tls.trusted]);
        let webs = self.dicomweb.iter_mut().flat_map(|web| [&mut web.token_file, &mut web.trusted]);
        let tokens = [&mut self.http.token_file].into_iter().chain(webs);
        let tokens = tokens.chain(self.alert.iter_mut().map(|alert| &mut alert.token_file));
        let llm = self.llm.iter_mut().flat_map(|llm| [&mut llm.key_file, &mut llm.trusted]);
        [&mut self.data].into_iter().chain(tls).chain(tokens.chain(llm).flatten())
    }

    /// The settings that say where to listen, and what they say.
    pub(crate) fn sockets(&self) -> Vec<(&'static str, SocketAddr)> {
        let sockets = [
            ("dicom.listen", self.dicom.listen),
            ("dicom.tls.listen", self.dicom.tls.as_ref().and_then(|tls| tls.listen)),
            ("http.listen", self.http.listen),
        ];
        sockets.into_iter().filter_map(|(name, address)| Some((name, address?))).collect()
    }

    /// Whether studies can come from `name`.
    pub(crate) fn is_sender(&self, name: &str) -> bool {
        OTHER_SENDERS.contains(&name) || self.peer(name).is_some()
    }

    /// The peer of this name.
    pub(crate) fn peer(&self, name: &str) -> Option<&Peer> {
        self.peer.iter().find(|peer| peer.name == name)
    }

    /// The DICOMweb server of this name.
    pub(crate) fn web(&self, name: &str) -> Option<&Web> {
        self.dicomweb.iter().find(|web| web.name == name)
    }
}

impl Analysis {
    /// Where to compute.
    pub(crate) fn device(&self) -> Wanted {
        Wanted { device: self.device, gpu_memory: self.gpu_memory }
    }
}

impl Lane {
    /// All of them, the most urgent first.
    pub(crate) const ALL: [Self; 3] = [Self::Emergency, Self::Normal, Self::Bulk];

    /// As it is written in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Normal => "normal",
            Self::Bulk => "bulk",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// As it is written in the configuration.
impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::English => "en",
            Self::Chinese => "zh",
        })
    }
}

impl When {
    /// Whether it applies to everything.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { sender, modality, body_part, series_description, tags, minimum_images } = self;
        sender.is_empty()
            && modality.is_empty()
            && body_part.is_none()
            && series_description.is_none()
            && tags.is_empty()
            && minimum_images.is_none()
    }
}

impl Report {
    /// The layout of a report in `language`.
    pub(crate) fn style(&self, language: Language) -> Style {
        let headings = match language {
            Language::English => &self.headings.en,
            Language::Chinese => &self.headings.zh,
        };
        Style {
            findings_heading: headings.findings.clone(),
            impression_heading: headings.impression.clone(),
            recommendation_heading: headings.recommendation.clone(),
            patient_version: self.patient_version,
        }
    }
}

impl Retry {
    /// How long to wait after the try number `attempt` (from 1) failed.
    pub(crate) fn wait(&self, attempt: u32) -> Duration {
        let doubled = self.first_s * 2f64.powi(attempt.saturating_sub(1).min(60) as i32);
        Duration::from_secs_f64(doubled.min(self.most_s).max(0.0))
    }
}

impl Addresses {
    /// Whether `address` is one of these; IPv4 written as IPv6 counts as IPv4.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl TryFrom<String> for Addresses {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let one = text.parse::<IpAddr>().map(IpNet::from).ok();
        let net = one.or_else(|| text.parse::<IpNet>().ok());
        net.map(Self).ok_or_else(|| format!("{text:?} is no address (10.0.0.7) and no network (10.0.0.0/24)"))
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        regex::Regex::new(&text).map(Self).map_err(|error| {
            // The last line says what is wrong; those before it point into the text.
            let said = error.to_string();
            let cause = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("{text:?} is no regular expression: {cause}")
        })
    }
}

impl From<Language> for engine::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::English => Self::English,
            Language::Chinese => Self::Chinese,
        }
    }
}

fn yes() -> bool {
    true
}

/// An address with a port, or `"off"`.
fn address_or_off<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let wanted = "is no address with a port (127.0.0.1:11112) and not \"off\"";
        serde::de::Error::custom(format!("{text:?} {wanted}"))
    })
}

/// A number of days, or `"never"`.
fn days_or_never<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "it is neither a number of days nor \"never\"")]
    enum Days {
        Number(u32),
        Word(Never),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Never {
        Never,
    }
    Ok(match Days::deserialize(from)? {
        Days::Number(days) => Some(days),
        Days::Word(Never::Never) => None,
    })
}

fn dicom_port() -> u16 {
    104
}
