//! Certificates made for a test: two authorities that do not know each other, and what they signed.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// A certificate and its key, as files.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What one authority has signed.
pub(crate) struct Signed {
    /// The authority itself.
    pub(crate) trusted: PathBuf,
    pub(crate) node: Pair,
    pub(crate) peer: Pair,
    pub(crate) expired: Pair,
}

/// Makes an authority of this name and what it signs, in files of `folder`.
pub(crate) fn authority(folder: &Path, name: &str) -> Signed {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let trusted = write(folder, &format!("{name}-ca.pem"), &authority.pem());
    let sign = |what: &str, ends: i32| {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, what);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(ends, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        Pair {
            certificate: write(folder, &format!("{name}-{what}.pem"), &certificate.pem()),
            key: write(folder, &format!("{name}-{what}.key"), &key.serialize_pem()),
        }
    };
    Signed { trusted, node: sign("node", 2090), peer: sign("peer", 2090), expired: sign("expired", 2021) }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
