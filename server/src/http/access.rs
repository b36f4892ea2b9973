//! Who may ask: the bearer token, a browser's session that was opened with it, and no other site's pages.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::App;
use super::ask;
use super::page;
use super::problem::Problem;
use crate::archive::hex;

/// A shorter token could be guessed.
const TOKEN_CHARACTERS: usize = 16;

/// How long a browser need not ask for the token again: a working day.
const SESSION: Duration = Duration::from_secs(12 * 3600);

/// More browsers than this at once are not real; the oldest sessions end.
const SESSIONS: usize = 1000;

/// The cookie that holds a browser's session.
const COOKIE: &str = "foci_session";

/// What is open to all, beside the parts of the log-in page.
const OPEN: [&str; 2] = ["/health", "/ready"];

/// The token, if one is needed, and the browsers that have shown it. Only hashes are kept: comparing them says
/// nothing of what was hashed, and neither does the time that it takes.
#[derive(Debug)]
pub(super) struct Access {
    token: Option<[u8; 32]>,
    sessions: Mutex<HashMap<[u8; 32], Instant>>,
    /// Whether we are asked only from this machine, with no proxy between.
    is_local: bool,
}

impl Access {
    /// The access that the configuration describes.
    ///
    /// # Errors
    ///
    /// If the token cannot be read or is too short.
    pub(super) fn new(token_file: Option<&Path>, is_local: bool) -> Result<Self> {
        let token = token_file.map(read).transpose()?;
        Ok(Self { token, sessions: Mutex::default(), is_local })
    }

    /// Whether a token is needed.
    pub(super) fn needs_token(&self) -> bool {
        self.token.is_some()
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let given = ask::header(headers, header::AUTHORIZATION);
        let (scheme, given) = given.and_then(|value| value.split_once(' ')).unwrap_or_default();
        let hash: [u8; 32] = Sha256::digest(given.trim()).into();
        let same = |token: [u8; 32]| token.iter().zip(hash).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0;
        scheme.eq_ignore_ascii_case("bearer") && self.token.is_some_and(same)
    }

    fn has_session(&self, headers: &HeaderMap) -> bool {
        let Some(hash) = session(headers) else { return false };
        let mut sessions = self.lock();
        match sessions.get(&hash) {
            Some(since) if since.elapsed() < SESSION => true,
            Some(_) => {
                sessions.remove(&hash);
                false
            }
            None => false,
        }
    }

    /// Opens a session; the value of its cookie.
    fn open(&self) -> Result<String> {
        let mut secret = [0; 32];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut secret).ok().context("the system has no random numbers")?;
        let secret = hex(&secret);
        let mut sessions = self.lock();
        if sessions.len() >= SESSIONS {
            let oldest = sessions.iter().min_by_key(|(_, since)| **since).map(|(hash, _)| *hash);
            oldest.and_then(|hash| sessions.remove(&hash));
        }
        sessions.insert(Sha256::digest(&secret).into(), Instant::now());
        Ok(secret)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        // Nothing in here can be left half done.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hash of the token in the file at `path`.
pub(super) fn read(path: &Path) -> Result<[u8; 32]> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("http.token_file {} cannot be read", path.display()))?;
    let token = text.trim();
    // A header holds these and tabs, and nobody can type a tab into the log-in page.
    if !token.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        bail!(
            "the token in http.token_file {} is not one line of ASCII: no request could bring it (try \
             `openssl rand -hex 32`)",
            path.display()
        );
    }
    if token.len() < TOKEN_CHARACTERS {
        bail!(
            "the token in http.token_file {} has {} characters, and needs {TOKEN_CHARACTERS} or more (try \
             `openssl rand -hex 32`)",
            path.display(),
            token.len()
        );
    }
    Ok(Sha256::digest(token).into())
}

/// The hash of the session in the cookies of a request.
fn session(headers: &HeaderMap) -> Option<[u8; 32]> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, secret) = pairs.find(|(name, _)| *name == COOKIE)?;
    Some(Sha256::digest(secret).into())
}

/// Lets a request through, or says what is missing.
pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match app.access.verdict(&request) {
        Ok(()) => next.run(request).await,
        // Who comes with a browser gets the page that asks for the token.
        Err(Problem::NoToken) if wants_page(&request) => {
            let place = request.uri().path_and_query().map_or("/", |place| place.as_str());
            let location = HeaderValue::try_from(format!("/login#{place}"));
            let location = location.unwrap_or(HeaderValue::from_static("/login"));
            (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

impl Access {
    fn verdict(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        let path = request.uri().path();
        if OPEN.contains(&path) || page::is_open(path) {
            return Ok(());
        }
        if self.has_token(headers) {
            return Ok(());
        }
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if changes && is_from_other_site(headers) {
            return Err(Problem::OtherSite);
        }
        if self.token.is_some() {
            return if self.has_session(headers) { Ok(()) } else { Err(Problem::NoToken) };
        }
        // Without a token, a page anywhere could have its own name lead to this machine, and read.
        if self.is_local && !is_plain_host(headers) {
            return Err(Problem::OtherHost);
        }
        Ok(())
    }
}

fn wants_page(request: &Request) -> bool {
    let accept = ask::header(request.headers(), header::ACCEPT);
    request.method() == Method::GET && accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Whether a browser says that a page of another site asks. Programs say nothing of the kind.
fn is_from_other_site(headers: &HeaderMap) -> bool {
    if let Some(site) = ask::header(headers, "sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = ask::header(headers, "origin") else { return false };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_none() || host != ask::header(headers, "host")
}

/// Whether the host asked for is an address or `localhost`: no name that somebody else could own.
fn is_plain_host(headers: &HeaderMap) -> bool {
    let Some(host) = ask::header(headers, header::HOST) else { return true };
    let Ok(authority) = host.parse::<axum::http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

/// Opens a session for a browser
///
/// Takes the token as every request does, and answers with a cookie that stands for it for twelve hours.
#[utoipa::path(post, path = "/login", tag = "access", responses((status = 204, description = "A cookie is set")))]
pub(super) async fn login(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let access = &app.access;
    if access.needs_token() && !access.has_token(&headers) {
        return Err(Problem::NoToken);
    }
    let secret = access.open().map_err(Problem::Internal)?;
    Ok(with_cookie(&secret, SESSION, &headers))
}

/// Ends the session of a browser
#[utoipa::path(post, path = "/logout", tag = "access", responses((status = 204, description = "The cookie is void")))]
pub(super) async fn logout(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if let Some(hash) = session(&headers) {
        app.access.lock().remove(&hash);
    }
    with_cookie("", Duration::ZERO, &headers)
}

fn with_cookie(secret: &str, age: Duration, headers: &HeaderMap) -> Response {
    // Behind a proxy that speaks TLS, the cookie never travels without.
    let secure = if ask::is_tls(headers) { "; Secure" } else { "" };
    let seconds = age.as_secs();
    let cookie = format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::try_from(cookie).expect("hexadecimal digits fit into a header");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_no_header_can_hold_is_refused_before_anybody_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).map_err(|error| error.to_string())
        };
        assert!(read("0123456789 abc ~ def\n").is_ok());
        for wrong in [
            "\u{4ee4}\u{724c} 0123456789abcdef",
            "0123456789abcdef\n0123456789abcdef",
            "0123456789\tabcdef\0",
        ] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains("http.token_file") && said.contains("ASCII"), "{said}");
        }
    }
}
