//! Reports of words: what is written is read back, versions name each other, validators agree.

use dicom::core::{DataElement, VR};
use dicom::dictionary_std::tags;
use dicom_io::object::{DateTime, NewSeries, Origin, ResultObject};
use dicom_io::sr::codes;
use dicom_io::sr::{
    Author, Document, Language, Observer, Referenced, Section, Sentence, Standing, TextReport, Verification,
};
use dicom_io::{SliceRef, Source};

use crate::scan::{AXIAL, Scan, tracking};

pub(crate) const LATER: DateTime = DateTime { year: 2026, month: 11, day: 23, hour: 9, minute: 0, second: 1 };

fn series() -> NewSeries {
    NewSeries { number: 9004, description: "Foci report".into() }
}

fn referenced(scan: &Scan, object: &ResultObject) -> Referenced {
    Referenced {
        study_uid: scan.source.study_uid().clone(),
        series_uid: object.series_uid().clone(),
        sop_class_uid: object.sop_class_uid().clone(),
        sop_instance_uid: object.sop_instance_uid().clone(),
    }
}

/// Four sentences on the findings of `scan`, by a template, a model and a person.
pub(crate) fn report(scan: &Scan, language: Language, measured: &ResultObject) -> TextReport {
    let slice = SliceRef { frame: None, ..scan.slices[3].clone() };
    let zh = language == Language::Chinese;
    let say = |chinese: &str, english: &str| if zh { chinese.to_owned() } else { english.to_owned() };
    let template = Author::Algorithm { name: "template".into(), version: Some("1".into()), learned: false };
    let model = Author::Algorithm { name: "some-model".into(), version: None, learned: true };
    let sentence = |text: String, author: &Author, lesions: &[usize]| Sentence {
        text,
        author: Some(author.clone()),
        lesions: lesions.iter().map(|n| tracking(*n)).collect(),
        images: lesions.iter().map(|_| slice.clone()).collect(),
        rules: Vec::new(),
    };
    let section = |heading, sentences| Section { heading, observer: None, sentences };
    TextReport {
        language: Some(language),
        title: codes::DIAGNOSTIC_IMAGING_REPORT,
        procedure: Some(codes::CT_UNSPECIFIED_BODY_REGION),
        sections: vec![
            section(
                codes::FINDINGS,
                vec![
                    sentence(say("左肺见一枚实性结节。", "A solid nodule, left lung."), &template, &[0]),
                    sentence(say("肝脏见一枚病变。", "A lesion, liver."), &model, &[1]),
                ],
            ),
            section(
                codes::IMPRESSIONS,
                vec![sentence(
                    say("左肺结节，肝脏病变。", "Lung nodule and liver lesion."),
                    &template,
                    &[0, 1],
                )],
            ),
            section(
                codes::RECOMMENDATIONS,
                vec![Sentence {
                    rules: vec!["fleischner-2017.solid.single.6-8.low".into()],
                    ..sentence(say("建议 6-12 个月后复查 CT。", "CT in 6 to 12 months."), &template, &[0])
                }],
            ),
        ],
        measured: Some(referenced(scan, measured)),
        evidence: vec![Referenced {
            study_uid: scan.source.study_uid().clone(),
            series_uid: scan.source.series_uid().clone(),
            sop_class_uid: slice.sop_class_uid.clone(),
            sop_instance_uid: slice.sop_instance_uid.clone(),
        }],
    }
}

pub(crate) fn draft(scan: &Scan, language: Language) -> ResultObject {
    let measured = scan.report(language, &scan.segmentation(&scan.masks()));
    report(scan, language, &measured).to_object(&scan.context().origin(), &series(), &Standing::default())
}

/// The object as a file is read, and the source that it leads to.
fn reread(object: &ResultObject) -> (Document, Source) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.dcm");
    object.write(&path).unwrap();
    let object = dicom_io::sr::open(&path).unwrap();
    (Document::read(&object).unwrap(), Source::of_report(&object).unwrap())
}

/// `draft`, changed by a person, and that signed by another.
pub(crate) fn versions(scan: &Scan, draft: &ResultObject) -> [ResultObject; 2] {
    let (document, source) = reread(draft);
    let editor = Observer::Person { name: "李^明".into(), organization: Some("Radiology".into()) };
    let mut words = document.report.clone();
    words.sections[0].sentences[1] = Sentence {
        text: "A cyst, liver.".into(),
        author: Some(Author::Person("李^明".into())),
        lesions: vec![tracking(1)],
        ..Sentence::default()
    };
    words.sections.push(Section {
        heading: codes::ADDENDUM,
        observer: Some(editor.clone()),
        sentences: vec![Sentence {
            text: "Findings 2: A [-lesion-]{+cyst+}, liver.".into(),
            ..Sentence::default()
        }],
    });
    let origin = Origin { source: &source, equipment: &scan.equipment, algorithms: &[], created: LATER };
    let standing =
        Standing { predecessor: Some(document.itself), authors: vec![editor], verified: Vec::new() };
    let amended = words.to_object(&origin, &series(), &standing);

    let (document, source) = reread(&amended);
    let origin = Origin { source: &source, ..origin };
    let standing = Standing {
        predecessor: Some(document.itself),
        authors: document.authors,
        verified: vec![Verification {
            name: "Zhang^San".into(),
            organization: "County hospital".into(),
            at: LATER,
        }],
    };
    [amended, document.report.to_object(&origin, &series(), &standing)]
}

#[test]
fn a_report_of_words_says_the_same_when_it_is_read_back() {
    let scan = Scan::new("words", AXIAL, &[]);
    for language in [Language::English, Language::Chinese] {
        let measured = scan.report(language, &scan.segmentation(&scan.masks()));
        let written = report(&scan, language, &measured);
        let object = written.to_object(&scan.context().origin(), &series(), &Standing::default());
        let (document, source) = reread(&object);
        assert_eq!(document.report, written);
        assert_eq!(document.itself, referenced(&scan, &object));
        assert_eq!(document.created, Some(scan.context().created));
        assert_eq!((document.predecessors, document.verified), (Vec::new(), Vec::new()));
        assert_eq!(source.study_uid(), scan.source.study_uid());
    }
}

#[test]
fn each_version_names_the_one_before_it_and_keeps_patient_and_study() {
    let scan = Scan::new("versions", AXIAL, &[]);
    let draft = draft(&scan, Language::English);
    let [amended, signed] = versions(&scan, &draft);
    let (changed, _) = reread(&amended);
    let (last, _) = reread(&signed);
    assert_eq!(changed.predecessors, [referenced(&scan, &draft)]);
    assert_eq!(last.predecessors, [referenced(&scan, &amended)]);
    assert_eq!(last.report, changed.report);
    assert_eq!(changed.report.sections[0].sentences[1].text, "A cyst, liver.");
    assert_eq!(last.verified[0].name, "Zhang^San");
    assert_eq!(last.verified[0].at, LATER);
    for object in [&amended, &signed] {
        let object = object.object();
        let text = |tag| object.get(tag).unwrap().to_str().unwrap().trim().to_owned();
        assert_eq!(text(tags::PATIENT_NAME), "Wang^XiaoDong=王^小东");
        assert_eq!(text(tags::ACCESSION_NUMBER), "ACC1");
    }
    let flags = |object: &ResultObject| {
        let tags = [tags::COMPLETION_FLAG, tags::VERIFICATION_FLAG, tags::PRELIMINARY_FLAG];
        tags.map(|tag| object.object().get(tag).unwrap().to_str().unwrap().trim().to_owned())
    };
    assert_eq!(flags(&draft), ["COMPLETE", "UNVERIFIED", "PRELIMINARY"]);
    assert_eq!(flags(&amended), ["COMPLETE", "UNVERIFIED", "PRELIMINARY"]);
    assert_eq!(flags(&signed), ["COMPLETE", "VERIFIED", "FINAL"]);
}

#[test]
fn the_same_words_at_another_time_are_the_same_object_but_another_signature_is_another() {
    let scan = Scan::new("again", AXIAL, &[]);
    let measured = scan.report(Language::English, &scan.segmentation(&scan.masks()));
    let words = report(&scan, Language::English, &measured);
    let at = |created, predecessor: Option<&ResultObject>| {
        let origin = Origin { created, ..scan.context().origin() };
        let predecessor = predecessor.map(|object| referenced(&scan, object));
        let standing = Standing { predecessor, ..Standing::default() };
        words.to_object(&origin, &series(), &standing)
    };
    let [first, second] = [scan.context().created, LATER].map(|time| at(time, None));
    assert_eq!(first.sop_instance_uid(), second.sop_instance_uid());
    assert_eq!(first.series_uid(), second.series_uid());
    let [first, second] = [scan.context().created, LATER].map(|time| at(time, Some(&measured)));
    assert_ne!(first.sop_instance_uid(), second.sop_instance_uid());
    assert_ne!(first.series_uid(), second.series_uid());
}

#[test]
fn texts_of_any_report_are_read_and_context_is_not() {
    let scan = Scan::new("other", AXIAL, &[]);
    let measured = scan.report(Language::Chinese, &scan.segmentation(&scan.masks()));
    let (document, _) = reread(&measured);
    let sections = &document.report.sections;
    let found: Vec<(&str, &str)> = sections
        .iter()
        .flat_map(|section| section.sentences.iter().map(|s| (&*section.heading.meaning, &*s.text)))
        .collect();
    // The comment of each finding, in its planar and in its volumetric group, and the advice; no names of
    // devices or models.
    let mut expected = vec![("Measurement Group", "实性，边界清楚。"); 4];
    expected.push(("Qualitative Evaluations", "CT in 6 to 12 months [fleischner-2017.solid.single.6-8.low]"));
    assert_eq!(found, expected);
}

#[test]
fn a_file_without_text_is_no_report_of_words() {
    let scan = Scan::new("textless", AXIAL, &[]);
    let folder = tempfile::tempdir().unwrap();
    let slices = scan.write(folder.path());
    let said = dicom_io::sr::open(&slices[0]).unwrap_err().to_string();
    assert_eq!(said, "no such report: it is an image");
    let mut object = draft(&scan, Language::English).object().clone().into_inner();
    object.put(DataElement::new(
        tags::CONTENT_SEQUENCE,
        VR::SQ,
        dicom::core::value::DataSetSequence::empty(),
    ));
    assert!(Document::read(&object).is_err());
    std::fs::write(folder.path().join("nothing"), b"Findings: none").unwrap();
    assert!(dicom_io::sr::open(&folder.path().join("nothing")).is_err());
}

/// Neither a panic nor a hang: what cannot be understood is left out or refused.
#[test]
fn a_damaged_report_is_read_as_far_as_it_makes_sense_or_refused() {
    let scan = Scan::new("damaged", AXIAL, &[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.dcm");
    draft(&scan, Language::Chinese).write(&path).unwrap();
    let sound = std::fs::read(&path).unwrap();
    let mut random = 88172645463325252u64;
    let mut below = |end: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % end as u64) as usize
    };
    let mut read = 0;
    for _ in 0..400 {
        let mut bytes = sound.clone();
        for _ in 0..1 + below(3) {
            let at = below(bytes.len());
            bytes[at] = below(256) as u8;
        }
        bytes.truncate(bytes.len() - below(2) * below(bytes.len()));
        std::fs::write(&path, bytes).unwrap();
        read += usize::from(Document::open(&path).is_ok());
    }
    // Most damage is to words, and words may be anything.
    assert!(read > 100 && read < 400, "{read}");
}
