//! The words of a report after the analysis: amended, signed, printed; and what other people's programs say of it.

#[path = "../common/mod.rs"]
mod common;
mod made;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Scene, foci, succeed};
use dicom_io::sr::{Author, Document, codes};
use engine::Language;
use serde_json::Value;

fn amend(scene: &Scene, place: &Path, more: &[&str]) -> PathBuf {
    let mut command = foci(scene);
    command.args(["report", "amend"]).arg(place).args(["--by", "Li^Ming"]).args(more);
    PathBuf::from(succeed(&mut command).0.trim())
}

fn sign(scene: &Scene, place: &Path) -> PathBuf {
    let mut command = foci(scene);
    command.args(["report", "sign"]).arg(place);
    command.args(["--observer", "Zhang^San", "--organization", "County hospital"]);
    PathBuf::from(succeed(&mut command).0.trim())
}

/// What `foci report COMMAND` says when it fails, which it must.
#[track_caller]
fn refused(scene: &Scene, arguments: &[&str], place: &Path) -> String {
    let output = foci(scene).arg("report").args(arguments).arg(place).output().unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn history(scene: &Scene, place: &Path) -> String {
    succeed(foci(scene).args(["report", "history"]).arg(place)).0
}

fn read(file: &Path) -> Document {
    Document::open(file).unwrap().0
}

/// Every text of `document`, by heading.
fn texts(document: &Document) -> Vec<(String, String)> {
    let sections = document.report.sections.iter();
    sections
        .flat_map(|section| {
            section.sentences.iter().map(|s| (section.heading.meaning.to_string(), s.text.clone()))
        })
        .collect()
}

#[test]
fn an_amended_report_says_who_changed_what_and_names_the_version_before() {
    let scene = Scene::new();
    let results = made::results(&scene, Language::English);
    let before: Vec<(PathBuf, Vec<u8>)> =
        common::slices(&results).into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect();
    let draft = read(&results.join("narrative.dcm"));

    let sentence = draft.report.sections[0].sentences[0].text.replace("20 slices", "21 slices");
    let set = format!("findings:1={sentence}");
    let file = amend(&scene, &results, &["--organization", "Radiology", "--set", &set]);
    let amended = read(&file);
    assert_eq!(file, results.join("narrative-2.dcm"));
    assert_eq!(amended.predecessors, [draft.itself]);
    assert_eq!(amended.report.sections[0].sentences[0].author, Some(Author::Person("Li^Ming".to_owned())));
    assert_eq!(amended.report.sections[0].sentences[1..], draft.report.sections[0].sentences[1..]);
    let addendum = amended.report.sections.last().unwrap();
    assert_eq!(addendum.heading, codes::ADDENDUM);
    assert!(addendum.sentences[0].text.ends_with(", Li Ming (Radiology), changed by a person"));
    assert!(addendum.sentences[1].text.starts_with("Findings 1: "), "{:?}", addendum.sentences);
    assert!(addendum.sentences[1].text.contains(" of [-20-]{+21+} slices"), "{:?}", addendum.sentences);

    let trail: Value = serde_json::from_slice(&fs::read(results.join("narrative-2.json")).unwrap()).unwrap();
    assert_eq!(trail["sop_instance_uid"], amended.itself.sop_instance_uid.as_str());
    assert_eq!(trail["by"]["kind"], "human");
    assert_eq!(trail["changes"][0]["after"], sentence.as_str());
    for (file, bytes) in before {
        assert_eq!(fs::read(&file).unwrap(), bytes, "nothing is overwritten");
    }
}

#[test]
fn versions_form_a_chain_that_shows_when_something_is_missing_or_was_changed() {
    let scene = Scene::new();
    let results = made::results(&scene, Language::English);
    let first = read(&results.join("narrative.dcm")).report.sections[0].sentences[0].text.clone();
    amend(&scene, &results, &["--set", "findings:1=Two findings."]);
    amend(&scene, &results, &["--as", "ai", "--set", &format!("findings:1={first}")]);
    let signed = sign(&scene, &results);
    let last = read(&signed);
    assert_eq!(last.verified[0].name, "Zhang^San");
    assert_eq!(last.authors.len(), 2);

    let shown = history(&scene, &results);
    let versions: Vec<Vec<&str>> =
        shown.lines().filter(|line| !line.starts_with('\t')).map(|line| line.split('\t').collect()).collect();
    let kinds: Vec<[&str; 3]> = versions.iter().map(|version| [version[1], version[4], version[5]]).collect();
    assert_eq!(
        kinds,
        [
            ["narrative.dcm", "draft", ""],
            ["narrative-2.dcm", "amended", "Li^Ming"],
            ["narrative-3.dcm", "amended", "Li^Ming"],
            ["narrative-4.dcm", "signed", "Zhang^San"],
        ]
    );
    assert!(
        refused(&scene, &["sign", "--observer", "Zhang^San", "--organization", "County hospital"], &results)
            .contains("signed by them already")
    );

    // What is amended after it was signed is unsigned again.
    let again = amend(&scene, &results, &["--set", "findings:1=Three findings."]);
    assert!(read(&again).verified.is_empty());

    let middle = results.join("narrative-3.dcm");
    let bytes = fs::read(&middle).unwrap();
    fs::remove_file(&middle).unwrap();
    assert!(refused(&scene, &["history"], &results).contains("which is not here"));
    let at = bytes.windows(first.len()).position(|window| window == first.as_bytes()).unwrap();
    let mut changed = bytes.clone();
    changed[at] ^= 1;
    fs::write(&middle, changed).unwrap();
    assert!(refused(&scene, &["history"], &results).contains("was changed after"));
    fs::write(&middle, bytes).unwrap();
    history(&scene, &results);

    // A copy of a version that another one follows too is a branch.
    let place = scene.folder("branch");
    for name in ["narrative.dcm", "narrative-2.dcm"] {
        fs::copy(results.join(name), place.join(name)).unwrap();
    }
    let branch = amend(&scene, &place.join("narrative.dcm"), &["--set", "findings:1=Other findings."]);
    assert!(branch.exists());
    assert!(refused(&scene, &["history"], &place).contains("two versions"));
}

#[test]
fn an_edited_text_changes_only_the_sentences_that_differ() {
    let scene = Scene::new();
    let results = made::results(&scene, Language::Chinese);
    let text = fs::read_to_string(results.join("report.txt")).unwrap();
    let edited = scene.path("edited.txt");
    assert!(text.contains("右肺"), "{text}");
    fs::write(&edited, text.replace("右肺", "左肺")).unwrap();
    let draft = texts(&read(&results.join("narrative.dcm")));
    let file = amend(&scene, &results, &["--from", edited.to_str().unwrap()]);
    let amended = texts(&read(&file));
    let ours = |texts: &[(String, String)]| -> Vec<String> {
        texts.iter().filter(|(heading, _)| heading != "Addendum").map(|(_, text)| text.clone()).collect()
    };
    let expected: Vec<String> = ours(&draft).iter().map(|text| text.replace("右肺", "左肺")).collect();
    assert_eq!(ours(&amended), expected);
    let shown = succeed(foci(&scene).args(["report", "show"]).arg(&results)).0;
    assert!(shown.contains("影像所见\n") && shown.contains("左肺") && !shown.contains("右肺"), "{shown}");
    let lines: Vec<&String> = amended.iter().filter(|(h, _)| h == "Addendum").map(|(_, text)| text).collect();
    assert!(lines[1..].iter().any(|line| line.contains("[-右-]{+左+}肺")), "{lines:?}");
    assert!(
        refused(&scene, &["amend", "--by", "X", "--from", edited.to_str().unwrap()], &results)
            .contains("nothing was changed")
    );
}

#[test]
fn a_change_that_makes_no_sense_is_refused_and_writes_nothing() {
    let scene = Scene::new();
    let results = made::results(&scene, Language::English);
    let count = fs::read_dir(&results).unwrap().count();
    for (arguments, said) in [
        (&["amend", "--by", "X", "--set", "findings:99=A."][..], "sentences, not 99"),
        (&["amend", "--by", " ", "--set", "findings:1=A."], "--by needs a name"),
        (&["amend", "--by", "X", "--set", "findings=A."], "expected SECTION:NUMBER=TEXT"),
        (&["amend", "--by", "X"], "--from"),
        (&["sign", "--observer", "X", "--organization", ""], "--organization needs a name"),
    ] {
        let found = refused(&scene, arguments, &results);
        assert!(found.contains(said), "{found}");
    }
    assert_eq!(fs::read_dir(&results).unwrap().count(), count);
    assert!(refused(&scene, &["history"], &scene.folder("empty")).contains("no report of words"));
    assert!(refused(&scene, &["history"], &results.join("key-1.dcm")).contains("it is an image"));
}

#[test]
fn an_english_report_is_printed_without_any_font_and_its_text_can_be_read() {
    let scene = Scene::new();
    let results = made::results(&scene, Language::English);
    amend(&scene, &results, &["--set", "findings:1=Two findings."]);
    sign(&scene, &results);
    // Nothing can be fetched into this cache.
    let mut command = foci(&scene);
    command.env("FOCI_CACHE", "/dev/null").args(["report", "pdf"]).arg(&results);
    succeed(&mut command);
    let pdf = fs::read(results.join("report.pdf")).unwrap();
    assert!(pdf.starts_with(b"%PDF-"));
    if !common::installed("an_english_report_is_printed", &["/usr/bin/pdftotext"]) {
        return;
    }
    let text = printed_text(&results.join("report.pdf"));
    for expected in ["Two findings.", "Verified by Zhang San, County hospital", "Impression", "Page 1 of "] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("Not verified") && !text.contains("PHANTOM"), "{text}");
}

#[test]
fn without_a_font_a_chinese_report_is_not_printed_and_the_message_says_what_to_do() {
    let scene = Scene::new();
    let results = made::results(&scene, Language::Chinese);
    let mut command = foci(&scene);
    // No pip is found here.
    command.env("PATH", scene.folder("bin")).env("FOCI_CACHE", scene.folder("cache"));
    let output = command.args(["report", "pdf"]).arg(&results).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains("put NotoSansSC-Regular.otf into the cache"), "{said}");
    assert!(!results.join("report.pdf").exists());
}

#[test]
fn a_person_may_overrule_the_check_on_record_and_a_program_may_not() {
    let scene = Scene::new();
    let results = made::results(&scene, Language::English);
    let wrong = "impression:+=The nodule in the left lung measures 12.9 mm.";
    let found = refused(&scene, &["amend", "--by", "X", "--as", "ai", "--set", wrong], &results);
    assert!(found.contains("a program may not keep words against the check"), "{found}");
    let file = amend(&scene, &results, &["--set", wrong]);
    let trail: Value = serde_json::from_slice(&fs::read(file.with_extension("json")).unwrap()).unwrap();
    assert!(!trail["overruled"].as_array().unwrap().is_empty(), "{trail}");
    let addendum = texts(&read(&file));
    assert!(addendum.iter().any(|(_, text)| text.starts_with("kept against the check: ")), "{addendum:?}");
}

/// The text of a PDF, lines joined.
fn printed_text(pdf: &Path) -> String {
    let output = Command::new("pdftotext").args(["-layout"]).arg(pdf).arg("-").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Whether the font is at hand, or can be fetched.
fn printed_chinese(test: &str, scene: &Scene, results: &Path) -> bool {
    let output = foci(scene).args(["report", "pdf"]).arg(results).output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        common::skip(test, "models", &format!("the font could not be had: {said}"));
    }
    output.status.success()
}

#[test]
fn a_chinese_report_is_printed_and_its_text_can_be_read() {
    const TEST: &str = "a_chinese_report_is_printed_and_its_text_can_be_read";
    let scene = Scene::new();
    let results = made::results(&scene, Language::Chinese);
    if !printed_chinese(TEST, &scene, &results) || !common::installed(TEST, &["/usr/bin/pdftotext"]) {
        return;
    }
    let text = printed_text(&results.join("report.pdf"));
    for expected in ["影像所见", "诊断意见", "右肺", "未经医师审核", "长径 mm", "第 1 页"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn validators_accept_drafts_amended_and_signed_reports_and_their_printouts() {
    const TEST: &str = "validators_accept_drafts_amended_and_signed_reports_and_their_printouts";
    if common::peers(TEST).is_none() {
        return;
    }
    for language in [Language::English, Language::Chinese] {
        let scene = Scene::new();
        let results = made::results(&scene, language);
        amend(&scene, &results, &["--organization", "放射科", "--set", "findings:1=Two findings."]);
        sign(&scene, &results);
        if !printed_chinese(TEST, &scene, &results) {
            return;
        }
        let files = [common::slices(&results), common::slices(&scene.path("study"))].concat();
        let output = Command::new(common::repository(".ci/validate")).args(&files).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        for line in [
            "narrative.dcm\tPixelMed\tok\tTID_2000",
            "narrative-3.dcm\tPixelMed\tok\tTID_2000",
            "report.pdf.dcm\tdciodvfy\tok",
            "report.pdf.dcm\tpdftotext\tok",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }
}
