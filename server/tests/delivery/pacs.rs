//! Other people's PACS, on ports of the system's choice.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::node::{free_port, wait_for};
use crate::common::{Scene, peers, web};

/// A program of somebody else, ended when dropped.
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    pub(crate) fn start(scene: &Scene, name: &str, command: &mut Command) -> Self {
        let log = scene.path(&format!("{name}.log"));
        let file = || File::options().create(true).append(true).open(&log).unwrap();
        // Otherwise each answer waits 40 ms for a delayed acknowledgement.
        let command = command.env("TCP_NODELAY", "1").env_remove("LD_PRELOAD");
        let child = command.stdin(Stdio::null()).stdout(file()).stderr(file()).spawn().unwrap();
        Self { child, log }
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    fn until_it_listens(self, port: u16) -> Self {
        wait_for("a PACS that listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        self
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) const STORESCP: &str = "/usr/bin/storescp";

/// dcmtk's storescp, which writes what it gets into `folder` as it came, each into a file of its own.
pub(crate) fn storescp(scene: &Scene, folder: &Path, port: u16, more: &[&str]) -> Program {
    fs::create_dir_all(folder).unwrap();
    let mut command = Command::new(STORESCP);
    command.args(["-aet", "PACS", "-uf", "+B", "-od"]).arg(folder).args(more).arg(port.to_string());
    Program::start(scene, "storescp", &mut command).until_it_listens(port)
}

pub(crate) const ORTHANC: &str = "/usr/sbin/Orthanc";

/// Orthanc, and how to ask it over the web.
pub(crate) struct Orthanc {
    _program: Program,
    pub(crate) dicom: u16,
    http: u16,
}

impl Orthanc {
    /// Starts it; it knows us as FOCI at port `foci`.
    pub(crate) fn start(scene: &Scene, foci: u16) -> Self {
        let (dicom, http) = (free_port(), free_port());
        let folder = scene.folder("orthanc");
        let config = serde_json::json!({
            "Name": "PACS",
            "StorageDirectory": folder,
            "IndexDirectory": folder,
            // Nobody needs its files after the test.
            "SyncStorageArea": false,
            "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
            "HttpPort": http,
            "RemoteAccessAllowed": false,
            "AuthenticationEnabled": false,
            "WebDavEnabled": false,
            "DicomAet": "PACS",
            "DicomPort": dicom,
            "DicomCheckCalledAet": true,
            "DicomAlwaysAllowStore": false,
            "DicomModalities": { "foci": {
                "AET": "FOCI", "Host": "127.0.0.1", "Port": foci, "AllowEcho": true, "AllowFind": true,
                "AllowGet": true, "AllowMove": true, "AllowStore": true, "AllowStorageCommitment": true,
            } },
            "SynchronousCMove": true,
            "DicomWeb": { "Enable": true, "Root": "/dicom-web/" },
        });
        let path = scene.path("orthanc.json");
        fs::write(&path, config.to_string()).unwrap();
        let program = Program::start(scene, "orthanc", Command::new(ORTHANC).arg(path));
        let program = program.until_it_listens(dicom).until_it_listens(http);
        Self { _program: program, dicom, http }
    }

    /// Where its DICOMweb service is.
    pub(crate) fn dicomweb(&self) -> String {
        format!("http://127.0.0.1:{}/dicom-web", self.http)
    }

    /// Gives it the DICOM file `path`.
    pub(crate) fn upload(&self, path: &Path) {
        let answer = web::send(self.http, "POST", "/instances", &[], &fs::read(path).unwrap());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    pub(crate) fn instances(&self) -> Vec<String> {
        serde_json::from_value(web::get(self.http, "/instances").json()).unwrap()
    }

    /// The DICOM file of an instance, as it was received.
    pub(crate) fn file(&self, instance: &str, to: &Path) {
        let answer = web::get(self.http, &format!("/instances/{instance}/file"));
        assert_eq!(answer.status, 200);
        fs::write(to, answer.body).unwrap();
    }
}

/// A PACS made of pynetdicom, which does as its arguments say: see pacs.py.
pub(crate) struct Scripted {
    program: Program,
    pub(crate) port: u16,
}

impl Scripted {
    pub(crate) fn start(scene: &Scene, test: &str, arguments: &[&str]) -> Option<Self> {
        let python = peers(test)?.join("bin/python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/delivery/pacs.py");
        let port = free_port();
        let mut command = Command::new(python);
        command.arg(script).arg(port.to_string()).args(arguments);
        Some(Self { program: Program::start(scene, "pynetdicom", &mut command).until_it_listens(port), port })
    }

    /// The lines that it has printed that begin with `word`, without it.
    pub(crate) fn said(&self, word: &str) -> Vec<String> {
        let log = self.program.log();
        let lines = BufReader::new(log.as_bytes()).lines().map(Result::unwrap);
        lines.filter_map(|line| Some(line.strip_prefix(word)?.trim().to_owned())).collect()
    }
}

/// The DICOM files in `folder`.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Long enough for anything that must not happen to happen.
pub(crate) fn a_while() {
    std::thread::sleep(Duration::from_millis(1500));
}

pub(crate) const DCMQRSCP: &str = "/usr/bin/dcmqrscp";

/// dcmtk's archive with these files, which knows us as FOCI at port `foci`; and its port.
pub(crate) fn dcmqrscp(scene: &Scene, foci: u16, content: &[PathBuf]) -> (Program, u16) {
    let (folder, port) = (scene.folder("archive"), free_port());
    let config = format!(
        "NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n\
         HostTable BEGIN\nfoci = (FOCI, 127.0.0.1, {foci})\nHostTable END\n\
         VendorTable BEGIN\nVendorTable END\n\
         AETable BEGIN\nPACS {} RW (200, 1024mb) ANY\nAETable END\n",
        folder.display()
    );
    let path = scene.path("dcmqrscp.cfg");
    fs::write(&path, config).unwrap();
    let program = Program::start(scene, "dcmqrscp", Command::new(DCMQRSCP).arg("-c").arg(path));
    let program = program.until_it_listens(port);
    let mut send = Command::new("/usr/bin/storescu");
    send.env("TCP_NODELAY", "1").args(["-aec", "PACS", "127.0.0.1", &port.to_string()]).args(content);
    assert!(send.status().unwrap().success());
    (program, port)
}
