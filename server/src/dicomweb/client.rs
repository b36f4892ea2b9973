//! Other DICOMweb servers: QIDO-RS, WADO-RS, STOW-RS.
//!
//! One server is asked directly: no proxy of the environment, no redirect, so that the token and the images
//! go where the configuration says and nowhere else.
//!
//! Source: DICOM PS3.18 10.4 to 10.6.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use dicom_io::Uid;
use futures_util::StreamExt;
use reqwest::header::{self, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::media::MediaType;
use super::message::{Content, Message};
use super::multipart::{Boundary, Limits, Parts};
use super::{json, take};
use crate::config;
use crate::intake::{Intake, Kept, Refused, Sender};

/// Until the server has taken the connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Until a question is answered.
const ANSWER: Duration = Duration::from_secs(60);

/// Until a study has come, or objects have gone.
const TRANSFER: Duration = Duration::from_secs(3600);

/// Between two pieces of a study.
const SILENCE: Duration = Duration::from_secs(60);

/// An answer that is no image may have this many bytes.
const LARGEST_ANSWER: usize = 64 << 20;

/// A study may have this many bytes.
const LARGEST_STUDY: u64 = 64 << 30;

/// A DICOMweb server, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    name: String,
    root: Url,
    client: reqwest::Client,
    /// Marked as sensitive: it is not printed.
    authorization: Option<HeaderValue>,
    /// What a node of ours is told of where the objects come from.
    sender: Option<HeaderValue>,
}

/// By this header our own `foci pull` tells the node that it hands objects over.
pub(super) const SENDER: &str = "foci-sender";

/// What became of an object that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server says that it has it.
    Stored,
    /// Not now: try again.
    ForNow(String),
    /// The server does not want it: there is no use in trying again.
    Refused(String),
}

/// A study that was fetched.
#[derive(Debug, Default)]
pub(crate) struct Retrieved {
    /// Objects that are kept now, or were already.
    pub(crate) kept: usize,
    /// Objects set aside: others with their UIDs were here before.
    pub(crate) quarantined: usize,
    /// Why the others are not kept, one for each.
    pub(crate) refused: Vec<Refused>,
    /// Objects that the server lists and did not send.
    pub(crate) missing: usize,
}

impl Web {
    /// Makes ready what is needed to ask the server; it is not asked anything yet.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the address, the token or the certificates.
    pub(crate) fn new(web: &config::Web) -> Result<Self> {
        let about = || format!("the DICOMweb server {}", web.name);
        let root: Url = web.url.parse().with_context(|| format!("{}: its url is none", about()))?;
        if !matches!(root.scheme(), "http" | "https") || root.host().is_none() {
            bail!("{}: its url does not begin with http:// or https:// and a host", about());
        }
        let authorization = web.token_file.as_deref().map(bearer).transpose().with_context(about)?;
        let client = http_client(&root, web.trusted.as_deref()).with_context(about)?;
        Ok(Self { name: web.name.clone(), root, client, authorization, sender: None })
    }

    /// The same, for the node of this machine, which is told that objects come from `sender`.
    pub(crate) fn on_behalf_of(self, sender: &'static str) -> Self {
        Self { sender: Some(HeaderValue::from_static(sender)), ..self }
    }

    /// What the configuration calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Studies that match all `keys` (QIDO-RS), as DICOM JSON.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, refuses, or answers with something else.
    pub(crate) async fn find_studies(&self, keys: &[(&str, &str)]) -> Result<Vec<Value>> {
        self.find(&["studies"], keys).await
    }

    /// The UIDs of the objects of a study (QIDO-RS).
    ///
    /// # Errors
    ///
    /// As [`Self::find_studies`].
    pub(crate) async fn find_instances(&self, study: &Uid) -> Result<HashSet<Uid>> {
        let found = self.find(&["studies", study.as_str(), "instances"], &[]).await?;
        let uid = |object| json::text(object, json::SOP_INSTANCE_UID).and_then(|text| Uid::parse(text).ok());
        Ok(found.iter().filter_map(uid).collect())
    }

    /// Fetches a study (WADO-RS) and gives its objects to `intake`. What the server says beforehand that it
    /// has (QIDO-RS) and then does not send is counted.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, refuses, or stops half-way; or the disk is full. What came before is
    /// kept.
    pub(crate) async fn retrieve_study(
        &self,
        study: &Uid,
        sender: &Sender,
        intake: &Intake,
    ) -> Result<Retrieved> {
        let mut listed = self.find_instances(study).await?;
        let accept = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
        let request = self.client.get(self.url(&["studies", study.as_str()])).timeout(TRANSFER);
        let response = self.ask(request.header(header::ACCEPT, accept)).await?;
        let cut = || format!("study {study} from the DICOMweb server {}", self.name);
        let media_type = self.media_type(&response).with_context(cut)?;
        let limits = Limits { bytes: LARGEST_STUDY, idle: SILENCE, whole: TRANSFER };
        let source = response.bytes_stream().map(|piece| piece.map_err(reqwest::Error::without_url));
        let boundary = Boundary::of(&media_type).with_context(cut)?;
        let mut parts = Parts::new(boundary, source, limits);
        let mut retrieved = Retrieved::default();
        while parts.next().await.with_context(cut)?.is_some() {
            let object = match take(&mut parts, Some(study), sender, intake).await.with_context(cut)? {
                Ok((object, Kept::Quarantined)) => {
                    retrieved.quarantined += 1;
                    Some(object)
                }
                Ok((object, Kept::New | Kept::Again | Kept::Own)) => {
                    retrieved.kept += 1;
                    Some(object)
                }
                Err((full @ (Refused::Full | Refused::Storage(_)), _)) => return Err(full).with_context(cut),
                Err((refused, object)) => {
                    retrieved.refused.push(refused);
                    object
                }
            };
            object.map(|object| listed.remove(&object.sop_instance_uid));
        }
        retrieved.missing = listed.len();
        Ok(retrieved)
    }

    /// Sends the objects in these files (STOW-RS), in one request; what became of each, in their order.
    pub(crate) async fn store(&self, files: &[(Uid, PathBuf)]) -> Vec<(Uid, Outcome)> {
        let all = |outcome: Outcome| files.iter().map(|(uid, _)| (uid.clone(), outcome.clone())).collect();
        if files.is_empty() {
            return Vec::new();
        }
        let mut parts = Vec::new();
        for (uid, path) in files {
            match Content::file(path.clone()).await {
                Ok(part) => parts.push(part),
                Err(error) => return all(Outcome::ForNow(format!("object {uid} cannot be read: {error}"))),
            }
        }
        let message = Message::related("application/dicom", parts);
        let request = self
            .client
            .post(self.url(&["studies"]))
            .timeout(TRANSFER)
            .header(header::ACCEPT, "application/dicom+json")
            .header(header::CONTENT_TYPE, message.media_type())
            .header(header::CONTENT_LENGTH, message.length())
            .body(reqwest::Body::wrap_stream(message.into_stream()));
        let response = match self.send(request).await {
            Ok(response) => response,
            Err(error) => return all(Outcome::ForNow(format!("{error:#}"))),
        };
        let status = response.status();
        let told = self.json(response).await;
        let outcomes = Outcomes::read(status, told.as_ref().ok());
        files.iter().map(|(uid, _)| (uid.clone(), outcomes.of(uid))).collect()
    }

    async fn find(&self, path: &[&str], keys: &[(&str, &str)]) -> Result<Vec<Value>> {
        let mut url = self.url(path);
        if !keys.is_empty() {
            url.query_pairs_mut().extend_pairs(keys);
        }
        let request = self.client.get(url).timeout(ANSWER);
        let response = self.ask(request.header(header::ACCEPT, "application/dicom+json")).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(Vec::new());
        }
        match self.json(response).await? {
            Value::Array(found) => Ok(found),
            _ => bail!("the DICOMweb server {} answered with JSON that is no list", self.name),
        }
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.root.clone();
        // An address with a host, as `new` asks for, is one that a path can be added to.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Sends a request, whatever is answered.
    async fn send(&self, mut request: RequestBuilder) -> Result<Response> {
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if let Some(sender) = &self.sender {
            request = request.header(SENDER, sender);
        }
        // The address holds what was asked for, and that may be a patient's.
        let sent = request.send().await.map_err(reqwest::Error::without_url);
        sent.with_context(|| format!("the DICOMweb server {} cannot be asked", self.name))
    }

    /// Sends a request that must succeed.
    async fn ask(&self, request: RequestBuilder) -> Result<Response> {
        let response = self.send(request).await?;
        let status = response.status();
        if !status.is_success() {
            bail!("the DICOMweb server {} answered {status}{}", self.name, hint(status));
        }
        Ok(response)
    }

    fn media_type(&self, response: &Response) -> Result<MediaType> {
        let media_type = MediaType::of(response.headers()).filter(|t| t.essence == "multipart/related");
        media_type.ok_or_else(|| anyhow!("it answered with something else than multipart/related"))
    }

    /// The JSON in an answer.
    async fn json(&self, response: Response) -> Result<Value> {
        let about = || format!("the DICOMweb server {}", self.name);
        let mut bytes = Vec::new();
        let mut source = response.bytes_stream();
        while let Some(piece) = source.next().await {
            let piece = piece.map_err(reqwest::Error::without_url).with_context(about)?;
            if bytes.len() + piece.len() > LARGEST_ANSWER {
                bail!("{} answered with more than {LARGEST_ANSWER} bytes", about());
            }
            bytes.extend_from_slice(&piece);
        }
        // What serde_json says of wrong JSON is a place in it, not a text from it.
        serde_json::from_slice(&bytes).with_context(|| format!("{} answered with no JSON", about()))
    }
}

/// What an answer to STOW-RS says.
struct Outcomes {
    /// Of those that it names.
    named: HashMap<String, Outcome>,
    /// Of the others.
    others: Outcome,
}

impl Outcomes {
    fn read(status: StatusCode, told: Option<&Value>) -> Self {
        let is_named =
            told.is_some_and(|told| json::items(told, json::REFERENCED_SOP_SEQUENCE).next().is_some());
        let unnamed = || Outcome::ForNow("the server names it neither as stored nor as refused".to_owned());
        let others = match status {
            // A list that it is not on.
            StatusCode::OK if is_named => unnamed(),
            StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => Outcome::Stored,
            StatusCode::ACCEPTED => unnamed(),
            _ if is_permanent(status) => {
                Outcome::Refused(format!("the server answered {status}{}", hint(status)))
            }
            _ => Outcome::ForNow(format!("the server answered {status}{}", hint(status))),
        };
        let mut named = HashMap::new();
        for item in told.into_iter().flat_map(|told| json::items(told, json::REFERENCED_SOP_SEQUENCE)) {
            if let Some(uid) = json::text(item, json::REFERENCED_SOP_INSTANCE_UID) {
                named.insert(uid.to_owned(), Outcome::Stored);
            }
        }
        for item in told.into_iter().flat_map(|told| json::items(told, json::FAILED_SOP_SEQUENCE)) {
            let reason = json::number(item, json::FAILURE_REASON).unwrap_or(0x0110);
            if let Some(uid) = json::text(item, json::REFERENCED_SOP_INSTANCE_UID) {
                named.insert(uid.to_owned(), failure(reason));
            }
        }
        Self { named, others }
    }

    fn of(&self, uid: &Uid) -> Outcome {
        self.named.get(uid.as_str()).unwrap_or(&self.others).clone()
    }
}

/// What a Failure Reason (0008,1197) means: the statuses of C-STORE and of storage commitment.
///
/// Source: DICOM PS3.4 table B.2-1, PS3.3 C.14.1.1.
fn failure(reason: i64) -> Outcome {
    let why = match reason {
        0xA700..=0xA7FF => "it is out of resources",
        0x0110 => "processing failed",
        0x0122 => "it does not support the SOP class",
        0xA900..=0xA9FF => "the data set does not match the SOP class",
        0xC000..=0xCFFF => "it cannot understand the object",
        0x0124 => "it is not authorised",
        _ => "it gives no reason that is known",
    };
    let why = format!("the server failed to store it ({reason:04X}H): {why}");
    // Processing failure is what servers say of a lock or a time-out, too.
    if matches!(reason, 0x0110 | 0xA700..=0xA7FF) { Outcome::ForNow(why) } else { Outcome::Refused(why) }
}

/// Whether the same request will get the same answer tomorrow. A token can be put right, so what it was
/// refused for is not lost.
fn is_permanent(status: StatusCode) -> bool {
    let passing = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_client_error() && !passing.contains(&status)
}

/// What an operator can do about a status.
fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": look at token_file",
        StatusCode::NOT_FOUND => ": look at url, if it is not the study that is missing",
        _ if status.is_redirection() => ": redirects are not followed, look at url",
        _ => "",
    }
}

/// A bearer token from a file, as a header.
///
/// # Errors
///
/// If the file cannot be read, or holds no token.
pub(crate) fn bearer(path: &Path) -> Result<HeaderValue> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the token file {} cannot be read", path.display()))?;
    let token = text.trim();
    if token.is_empty() || token.contains(|c: char| !c.is_ascii_graphic()) {
        bail!("the token file {} does not hold one token and nothing else", path.display());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A client for the server at `url`: no redirects, no proxy; certificates by those in the PEM file
/// `trusted`, or by those that the system trusts.
///
/// # Errors
///
/// Says what is wrong with the certificates.
pub(crate) fn http_client(url: &Url, trusted: Option<&Path>) -> Result<reqwest::Client> {
    http_client_within(url, trusted, CONNECT)
}

/// The same, which gives up when nobody has taken the connection within `connect`.
pub(crate) fn http_client_within(
    url: &Url,
    trusted: Option<&Path>,
    connect: Duration,
) -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("foci/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true);
    if url.scheme() == "https" && trusted.is_none() {
        // The roots of the system are loaded by reqwest, with the cryptography that the process uses.
        // An error says that it has been chosen before.
        let _ = ring::default_provider().install_default();
        return builder.build().context(
            "the certificates that the system trusts cannot be loaded: install them (ca-certificates), or \
             name those who signed the server's with `trusted`",
        );
    }
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = trusted {
        let wrong = || format!("the file of trusted certificates {}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).with_context(wrong)? {
            roots.add(certificate.with_context(wrong)?).with_context(wrong)?;
        }
        if roots.is_empty() {
            bail!("{} holds none", wrong());
        }
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(builder.tls_backend_preconfigured(tls).build()?)
}
