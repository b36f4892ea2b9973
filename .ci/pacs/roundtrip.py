"""roundtrip.py PEERS FOCI OUT: run by `roundtrip`, in a network of its own.

Orthanc is the PACS (PACS, port 4242, web 8042), foci serve stands beside it (FOCI, 11112, web 8080).

  dimse   a study with lesions is sent by C-STORE; while it is analysed the PACS is killed and started again;
          SR, SEG and key images come back by C-STORE and storage commitment succeeds; OHIF draws them
  web     another study is sent by STOW-RS (Orthanc's client), its results come back by STOW-RS (ours)
  pull    a third lies in the PACS only; `foci pull` fetches it by C-MOVE, and its results come back
  get     `foci pull --get --output` fetches it into a folder, every byte of pixels the same

Each prints a line of JSON with what was seen. Any difference raises.
"""

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pydicom

PEERS, FOCI, OUT = (Path(argument) for argument in sys.argv[1:])
HERE = Path(__file__).resolve().parent
PACS = "http://127.0.0.1:8042"
NODE = "http://127.0.0.1:8080"

ORTHANC = {
    "Name": "PACS",
    "StorageDirectory": str(OUT / "orthanc"),
    "IndexDirectory": str(OUT / "orthanc"),
    "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
    "HttpPort": 8042,
    "RemoteAccessAllowed": False,
    "AuthenticationEnabled": False,
    "WebDavEnabled": False,
    "DicomAet": "PACS",
    "DicomPort": 4242,
    "DicomCheckCalledAet": True,
    "DicomAlwaysAllowStore": False,
    "DicomAlwaysAllowEcho": False,
    "DicomModalities": {
        "foci": {
            "AET": "FOCI",
            "Host": "127.0.0.1",
            "Port": 11112,
            "AllowEcho": True,
            "AllowFind": True,
            "AllowGet": True,
            "AllowMove": True,
            "AllowStore": True,
            "AllowStorageCommitment": True,
        }
    },
    "SynchronousCMove": True,
    "SyncStorageArea": False,
    "DicomWeb": {
        "Enable": True,
        "Root": "/dicom-web/",
        "StudiesMetadata": "Full",
        "SeriesMetadata": "Full",
        "Servers": {"foci": {"Url": f"{NODE}/dicom-web/", "HasDelete": False}},
    },
}

NODE_TOML = f"""
data = "{OUT}/node"

[dicom]
ae_title = "FOCI"
listen = "127.0.0.1:11112"

[http]
listen = "127.0.0.1:8080"

[studies]
stable_s = 9
minimum_free_mb = 64

[delivery]
first_s = 0.5

[[peer]]
name = "pacs"
ae_title = "PACS"
addresses = ["127.0.0.1"]
host = "127.0.0.1"
port = 4242
commitment = true
counts = true

[[dicomweb]]
name = "pacs-web"
url = "{PACS}/dicom-web"

[[rule]]
name = "by web"
when = {{ sender = ["stow"], modality = ["CT"] }}
models = ["lung-nodule"]
send_to = ["pacs-web"]

[[rule]]
name = "CT"
when = {{ modality = ["CT"], minimum_images = 20 }}
models = ["lung-nodule", "liver-lesion"]
send_to = ["pacs"]
"""


def ask(url, body=None):
    """The answer of a server, from JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def wait(what, seen):
    """What `seen` says once it says something; an analysis may take minutes on a machine with much to do."""
    end = time.monotonic() + 900
    while time.monotonic() < end:
        try:
            if value := seen():
                return value
        except (urllib.error.URLError, ConnectionError):
            pass  # it is not up, or not up again
        time.sleep(0.25)
    raise SystemExit(f"waited in vain: {what}\n{(OUT / 'node.log').read_text()[-4000:]}")


def start_orthanc():
    (OUT / "orthanc.json").write_text(json.dumps(ORTHANC))
    log = open(OUT / "orthanc.log", "ab")
    orthanc = subprocess.Popen(["Orthanc", OUT / "orthanc.json"], stdout=log, stderr=log)
    wait("the PACS", lambda: ask(f"{PACS}/system"))
    return orthanc


def phantom(name, *options):
    """A synthetic study in the PACS; its UID and its Orthanc identifier."""
    folder = OUT / name
    subprocess.run([FOCI, "phantom", folder, *options], check=True, stdout=subprocess.DEVNULL)
    for file in sorted(folder.glob("*.dcm")):
        request = urllib.request.Request(f"{PACS}/instances", file.read_bytes())
        stored = json.load(urllib.request.urlopen(request, timeout=60))
    study = pydicom.dcmread(file, stop_before_pixels=True).StudyInstanceUID
    return study, stored["ParentStudy"]


def in_pacs(orthanc_study):
    """The instances of a study that the PACS has, by modality."""
    found = {}
    for series in ask(f"{PACS}/studies/{orthanc_study}/series"):
        modality = series["MainDicomTags"]["Modality"]
        found.setdefault(modality, []).extend(series["Instances"])
    return found


def deliveries(known):
    """What the node says of each result and where it goes."""
    return [delivery for job in known["jobs"] for delivery in job["deliveries"]]


def results(orthanc_study, study, waits=("pending", "sent")):
    """Waits until the node has done with a study, and none of its deliveries is in one of the states `waits`."""

    def settled():
        known = ask(f"{NODE}/api/studies/{study}")
        done = [job for job in known["jobs"] if job["state"] in ("done", "failed", "dead")]
        return known if done and not any(one["state"] in waits for one in deliveries(known)) else None

    known = wait(f"results of {study}", settled)
    job = known["jobs"][0]
    assert job["state"] == "done", known
    found = in_pacs(orthanc_study)
    return known, {modality: len(instances) for modality, instances in found.items()}


def fetch(orthanc_study, folder):
    """The objects of a study as the PACS gives them out."""
    folder.mkdir()
    for modality, instances in in_pacs(orthanc_study).items():
        for number, instance in enumerate(instances):
            with urllib.request.urlopen(f"{PACS}/instances/{instance}/file", timeout=60) as answer:
                (folder / f"{modality}-{number:03}.dcm").write_bytes(answer.read())


def say(step, **seen):
    print(json.dumps({"step": step, **seen}), flush=True)


def states(known):
    found = {}
    for delivery in deliveries(known):
        found[delivery["state"]] = found.get(delivery["state"], 0) + 1
    return found


def dimse(orthanc):
    study, stored = phantom("ct")
    began = time.monotonic()
    ask(f"{PACS}/modalities/foci/store", [stored])
    sent = time.monotonic() - began
    # The study is here, and the PACS was asked how many instances there are: it may go.
    wait("the job", lambda: ask(f"{NODE}/api/studies/{study}")["jobs"])
    orthanc.kill()
    orthanc.wait()
    wait("the analysis", lambda: any(j["state"] == "done" for j in ask(f"{NODE}/api/studies/{study}")["jobs"]))
    orthanc = start_orthanc()
    known, counts = results(stored, study)
    assert counts["SR"] == 2 and counts["SEG"] == 1 and counts["OT"] >= 1, counts
    assert states(known) == {"committed": len(deliveries(known))}, states(known)
    # It was not waited for: the PACS was asked how many there are.
    told = [event["detail"] for event in known["events"] if event["what"] == "complete"]
    assert told == ["revision 1: all 140 instances came"], told
    fetch(stored, OUT / "returned")
    say("dimse", study=study, in_pacs=counts, deliveries=states(known), sent_s=round(sent, 2))

    look = subprocess.run(
        ["node", HERE.parent / "viewer/look.mjs", PEERS, OUT / "viewer.png"], stdout=subprocess.PIPE, check=True
    )
    drawn = json.loads(look.stdout)
    say("viewer", outlines=len(drawn["outlines"]), segments=len(drawn["segments"]))
    return orthanc


def web():
    study, stored = phantom("ct-web", "--seed", "2", "--size", "128x128x70", "--spacing", "2.5x2.5x4")
    ask(f"{PACS}/dicom-web/servers/foci/stow", {"Resources": [stored]})
    # There is no storage commitment over the web: what the archive said it has is all that is known.
    known, counts = results(stored, study, waits=("pending",))
    assert counts.get("SR") == 2, counts
    assert states(known) == {"sent": len(deliveries(known))}, states(known)
    say("web", study=study, in_pacs=counts, deliveries=states(known))


def pull():
    study, stored = phantom("ct-pull", "--seed", "3", "--size", "128x128x70", "--spacing", "2.5x2.5x4")
    command = [FOCI, "pull", "--config", OUT / "foci.toml", "--from", "pacs", "--study", study]
    pulled = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    known, counts = results(stored, study)
    assert counts.get("SR") == 2, counts
    say("pull", study=study, said=pulled.strip(), in_pacs=counts, deliveries=states(known))

    got = OUT / "got"
    subprocess.run([*command, "--get", "--output", got], check=True, stdout=subprocess.DEVNULL)
    pixels = lambda folder: {
        (read := pydicom.dcmread(file)).SOPInstanceUID: read.PixelData
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".json"
        and pydicom.dcmread(file, stop_before_pixels=True).Modality == "CT"
    }
    assert pixels(got) == pixels(OUT / "ct-pull")
    say("get", instances=len(pixels(got)))


def main():
    OUT.mkdir(parents=True)
    (OUT / "foci.toml").write_text(NODE_TOML)
    orthanc = start_orthanc()
    log = open(OUT / "node.log", "ab")
    node = subprocess.Popen(
        [FOCI, "serve", "--config", OUT / "foci.toml"], stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        assert node.stdout.readline().startswith("ready"), (OUT / "node.log").read_text()
        orthanc = dimse(orthanc)
        web()
        pull()
        node.terminate()
        assert node.wait(60) == 0, (OUT / "node.log").read_text()[-4000:]
    finally:
        node.kill()
        orthanc.kill()
        orthanc.wait()
    shutil.rmtree(OUT / "orthanc")


main()
