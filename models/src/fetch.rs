//! Fetches a package of PyPI or npm through the machine's own `pip` or `npm`.
//!
//! Foci opens no connection for this itself: the clients know the mirror, the proxy and the certificates
//! of the place. What arrives is used only if its SHA-256 is the pinned one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::cache::{Progress, sha256_of_file};

/// How often the size of the growing file is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A file of a package registry that never changes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The project's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The platform tag of the wheel, where there is one for each platform.
    #[serde(default)]
    pub platform: Option<String>,
    /// The size of the file.
    pub bytes: u64,
    /// The SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
}

/// A program that fetches packages, and the arguments it begins with.
type Client<'a> = &'a [&'a str];

const PIP: [Client<'static>; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];
const NPM: [Client<'static>; 1] = [&["npm"]];

/// Fetches the wheel into `folder` with pip.
///
/// # Errors
///
/// Why not, as half a sentence for a human.
pub(crate) fn wheel(
    package: &Package,
    folder: &Path,
    progress: &dyn Fn(Progress<'_>),
) -> Result<PathBuf, String> {
    let wanted = format!("{}=={}", package.name, package.version);
    let mut arguments =
        vec!["download", &wanted, "--no-deps", "--only-binary=:all:", "--ignore-requires-python"];
    arguments.extend(["--disable-pip-version-check", "--no-input", "--retries", "2", "-d", "."]);
    if let Some(platform) = &package.platform {
        // Only the shared library is used, so any Python's wheel will do; this one's hash is pinned.
        arguments.extend(["--platform", platform, "--python-version", "3.12", "--implementation", "cp"]);
    }
    fetch(&PIP, &arguments, package, "whl", folder, progress)
}

/// Fetches the npm package into `folder`.
///
/// # Errors
///
/// Why not, as half a sentence for a human.
pub(crate) fn tarball(
    package: &Package,
    folder: &Path,
    progress: &dyn Fn(Progress<'_>),
) -> Result<PathBuf, String> {
    let wanted = format!("{}@{}", package.name, package.version);
    fetch(&NPM, &["pack", &wanted], package, "tgz", folder, progress)
}

fn fetch(
    clients: &[Client<'_>],
    arguments: &[&str],
    package: &Package,
    ending: &str,
    folder: &Path,
    progress: &dyn Fn(Progress<'_>),
) -> Result<PathBuf, String> {
    let what = format!("fetching {} {}", package.name, package.version);
    let report =
        |done: u64| progress(Progress { what: &what, done: done.min(package.bytes), total: package.bytes });
    report(0);
    let mut problem = format!("{} is not installed", clients[0].last().expect("a client has a name"));
    for client in clients {
        match run(client, arguments, folder, &report) {
            Ok(()) => {
                let file = one_file(folder, ending).ok_or("the client left no file behind")?;
                let found = sha256_of_file(&file).map_err(|e| e.to_string())?;
                if found != package.sha256 {
                    return Err(format!(
                        "{} {} has the SHA-256 {found} where {} was expected",
                        package.name, package.version, package.sha256
                    ));
                }
                report(package.bytes);
                return Ok(file);
            }
            Err(Failure::NotInstalled) => {}
            Err(Failure::Said(words)) => {
                problem = format!("{} said: {words}", client.last().expect("a client has a name"));
                break;
            }
        }
    }
    Err(problem)
}

enum Failure {
    NotInstalled,
    Said(String),
}

/// Runs the client in `folder` until it ends, and tells how many bytes lie there meanwhile.
fn run(client: Client<'_>, arguments: &[&str], folder: &Path, report: &dyn Fn(u64)) -> Result<(), Failure> {
    let said = |e: io::Error| Failure::Said(e.to_string());
    let words = folder.join("words");
    let mut command = Command::new(client[0]);
    command.args(&client[1..]).args(arguments).current_dir(folder);
    // pip downloads to a temporary file first: let it grow where it is seen.
    command.env("TMPDIR", folder).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(File::create(&words).map_err(said)?);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Failure::NotInstalled),
        Err(e) => return Err(said(e)),
    };
    let status = loop {
        if let Some(status) = child.try_wait().map_err(said)? {
            break status;
        }
        report(size(folder));
        sleep(LOOK);
    };
    if status.success() {
        return Ok(());
    }
    let words = fs::read(&words).map_err(said)?;
    let words = String::from_utf8_lossy(&words);
    if words.contains("No module named pip") {
        return Err(Failure::NotInstalled);
    }
    Err(Failure::Said(complaint(&words).to_owned()))
}

/// The line that tells why: pip sums up in its last error, npm begins with it.
fn complaint(words: &str) -> &str {
    let after = |start| words.lines().filter_map(move |line| line.strip_prefix(start)).map(str::trim);
    let npm = after("npm error").chain(after("npm ERR!")).next();
    npm.or_else(|| after("ERROR:").next_back()).unwrap_or("nothing")
}

/// The bytes of all files in `folder` and below; what vanishes meanwhile does not count.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

fn one_file(folder: &Path, ending: &str) -> Option<PathBuf> {
    let mut files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|found| found == ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that runs `script` and the clients after it in the list give `expected`: the file's
    /// content, or the reason why there is none.
    #[track_caller]
    fn check(clients: &[Client<'_>], expected: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let package = Package {
            name: "abc".to_owned(),
            version: "1".to_owned(),
            platform: None,
            bytes: 3,
            // Of the three bytes "abc".
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned(),
        };
        let found = fetch(clients, &[], &package, "whl", folder.path(), &|p| assert!(p.done <= p.total));
        match (found, expected) {
            (Ok(file), Ok(content)) => assert_eq!(fs::read_to_string(file).unwrap(), content),
            (Err(found), Err(reason)) => assert!(found.contains(reason), "{found}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    const MISSING: Client<'static> = &["no-such-program-anywhere"];

    #[test]
    fn a_client_that_is_not_installed_is_passed_over() {
        check(&[MISSING, &["sh", "-c", "printf abc > a.whl"]], Ok("abc"));
        check(&[&["sh", "-c", "echo No module named pip >&2; exit 1"], MISSING], Err("is not installed"));
    }

    #[test]
    fn a_file_with_another_hash_is_refused() {
        check(
            &[&["sh", "-c", "printf abd > a.whl"]],
            Err("a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9"),
        );
    }

    #[test]
    fn what_the_client_said_is_passed_on() {
        let script = "echo WARNING: retry >&2; echo ERROR: No network >&2; echo hint >&2; exit 1";
        check(&[&["sh", "-c", script]], Err(" said: No network"));
        check(
            &[&["sh", "-c", "echo npm error code E404 >&2; echo npm error log >&2; exit 1"]],
            Err("said: code E404"),
        );
    }
}
