//! Our client and a server's certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::super::client::Web;

/// Who signs certificates, and one for `localhost` that they signed, with its key; files below `folder`.
fn certificates(folder: &Path) -> [PathBuf; 3] {
    let [ca_key, key] = [(), ()].map(|()| KeyPair::generate().unwrap());
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let own = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let own_pem = own.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap().pem();
    [("ca.pem", ca_pem), ("own.pem", own_pem), ("key.pem", key.serialize_pem())].map(|(name, pem)| {
        let path = folder.join(name);
        std::fs::write(&path, pem).unwrap();
        path
    })
}

/// A server that answers every request with an empty list, over TLS; its port.
async fn serve(certificate: &Path, key: &Path) -> u16 {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // A client that does not like the certificate goes away.
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn only_a_server_with_a_trusted_certificate_is_asked() {
    let (ours, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [ca, own, key] = certificates(ours.path());
    let [other_ca, ..] = certificates(others.path());
    let port = serve(&own, &key).await;
    let web = |host: &str, trusted: &str| {
        let text = format!("name = \"pacs\"\nurl = \"https://{host}:{port}/dicom-web\"\n{trusted}");
        Web::new(&toml::from_str(&text).unwrap())
    };
    let trusted = |ca: &Path| format!("trusted = {ca:?}");
    assert!(web("localhost", &trusted(&ca)).unwrap().find_studies(&[]).await.unwrap().is_empty());
    // Signed by somebody else; for another name; by nobody that the system knows, where it knows anybody.
    let mut wrong =
        vec![web("localhost", &trusted(&other_ca)).unwrap(), web("127.0.0.1", &trusted(&ca)).unwrap()];
    wrong.extend(web("localhost", "").ok());
    for web in wrong {
        let error = web.find_studies(&[]).await.unwrap_err();
        assert!(format!("{error:#}").contains("certificate"), "{error:#}");
    }
}
