//! Sockets with and without TLS: certificates loaded, both sides known to each other.
//!
//! The profile is the standard's BCP 195 TLS Secure Transport Connection Profile (PS3.15 B.9 and after): TLS
//! 1.2 with forward secrecy and authenticated encryption, or TLS 1.3, and a certificate from both sides.

use std::fs;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use anyhow::{Context, Result, anyhow, bail};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::config::{Peer, Tls, is_this_machine};
use crate::node::Node;

/// A connection to a peer.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Readable by everybody on the way.
    Plain(TcpStream),
    /// Only by the two of us.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Who we are, and whom we believe: what the files of the configuration hold.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    trusted: Arc<RootCertStore>,
}

impl Identity {
    /// Reads the files and looks whether they belong together and are valid today.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and what is wrong with it.
    pub(crate) fn load(tls: &Tls) -> Result<Self> {
        let chain = certificates(&tls.certificate)
            .with_context(|| format!("dicom.tls.certificate = {:?}", tls.certificate))?;
        let key = key(&tls.key).with_context(|| format!("dicom.tls.key = {:?}", tls.key))?;
        let trusted =
            roots(&tls.trusted).with_context(|| format!("dicom.tls.trusted = {:?}", tls.trusted))?;
        let identity = Self { chain, key, trusted: Arc::new(trusted) };
        identity.check_dates().with_context(|| format!("dicom.tls.certificate = {:?}", tls.certificate))?;
        // Only making a configuration compares key and certificate.
        identity.server().with_context(|| format!("dicom.tls.key = {:?}", tls.key))?;
        Ok(identity)
    }

    /// What the listener needs.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor> {
        Ok(TlsAcceptor::from(Arc::new(self.server()?)))
    }

    /// What is needed to call.
    pub(crate) fn connector(&self) -> Result<TlsConnector> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.trusted.clone())
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(mismatch)?;
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn server(&self) -> Result<ServerConfig> {
        let peers = WebPkiClientVerifier::builder_with_provider(self.trusted.clone(), provider()).build()?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(peers)
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(mismatch)?;
        // A resumed session would not show its certificate again.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// Whether our own certificate is valid today. Its signer may be unknown to us; its dates come first.
    fn check_dates(&self) -> Result<()> {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(self.trusted.clone(), provider()).build()?;
        let name = ServerName::try_from("localhost").expect("a host name");
        let leaf = &self.chain[0];
        match verifier.verify_server_cert(leaf, &self.chain[1..], &name, &[], UnixTime::now()) {
            Err(rustls::Error::InvalidCertificate(error)) => match error {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    bail!("the certificate has expired: put a new one there")
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    bail!("the certificate is not valid yet: is the clock of this machine right?")
                }
                CertificateError::BadEncoding => bail!("the certificate is damaged"),
                // Names and signers are our peers' business.
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// The only cryptography in the program.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn mismatch(error: rustls::Error) -> anyhow::Error {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            anyhow!("the key does not belong to the certificate: they must be made together")
        }
        other => anyhow!("the key cannot be used with the certificate: {other}"),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow!("there is no such file"),
        io::ErrorKind::PermissionDenied => anyhow!("the file may not be read by this user"),
        _ => anyhow!("the file cannot be read: {error}"),
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| anyhow!("the PEM in it is damaged: {error}"))?;
    if found.is_empty() {
        bail!("there is no certificate in it (-----BEGIN CERTIFICATE-----)");
    }
    Ok(found)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            anyhow!("there is no private key without a password in it (-----BEGIN PRIVATE KEY-----)")
        }
        other => anyhow!("the PEM in it is damaged: {other}"),
    })
}

fn roots(path: &Path) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|error| anyhow!("a certificate in it cannot be used: {error}"))?;
    }
    Ok(store)
}

impl Socket {
    /// Connects to `peer`, with TLS if it is configured so.
    pub(crate) async fn connect(node: &Node, peer: &Peer) -> Result<Self> {
        let host = peer.host.as_deref().ok_or_else(|| anyhow!("no host is configured for it"))?;
        let stream = TcpStream::connect((host, peer.port)).await?;
        stream.set_nodelay(true)?;
        if !peer.tls {
            if !is_this_machine(stream.peer_addr()?.ip()) && !node.config.dicom.allow_plain {
                bail!(
                    "calling it without TLS would let others listen in: set its tls = true, or dicom.allow_plain = true"
                );
            }
            return Ok(Self::Plain(stream));
        }
        let tls = node.config.dicom.tls.as_ref();
        let identity = Identity::load(tls.ok_or_else(|| anyhow!("dicom.tls is not configured"))?)?;
        let name = ServerName::try_from(host.to_owned()).context("the host is no name for a certificate")?;
        let stream = identity.connector()?.connect(name, stream).await.map_err(refused)?;
        Ok(Self::Tls(Box::new(stream.into())))
    }

    /// Shows our certificate to who has connected, and sees theirs.
    pub(crate) async fn accept(acceptor: &TlsAcceptor, stream: TcpStream) -> Result<Self> {
        let stream = acceptor.accept(stream).await.map_err(refused)?;
        Ok(Self::Tls(Box::new(stream.into())))
    }
}

/// A handshake that failed, in words of this program.
fn refused(error: io::Error) -> anyhow::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::NoCertificatesPresented) => anyhow!("the peer shows no certificate"),
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::UnknownIssuer => {
                anyhow!("the peer's certificate is signed by nobody in dicom.tls.trusted")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                anyhow!("the peer's certificate has expired")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => anyhow!(
                "the peer's certificate is for another host (it must name ours of it as a subject \
                 alternative name)"
            ),
            other => anyhow!("the peer's certificate is not accepted: {other}"),
        },
        Some(rustls::Error::AlertReceived(alert)) => {
            anyhow!("the peer does not accept our certificate or TLS: it says {alert:?}")
        }
        Some(rustls::Error::InvalidMessage(_)) => anyhow!("the peer does not speak TLS"),
        Some(other) => anyhow!("no TLS with the peer: {other}"),
        None => anyhow!("no TLS with the peer: {error}"),
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Poller<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Poller<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Poller<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Poller<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
