//! Identifiers and storage commitment, in every transfer syntax they come in.

use dicom::object::InMemDicomObject;
use dicom::transfer_syntax::entries::{
    EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use dicom_io::net::classes::{EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE};
use dicom_io::net::commitment::{Commitment, CommitmentRequest};
use dicom_io::net::query::{Found, Level, Query};

use crate::{CT, uid};

const SYNTAXES: [&str; 3] = [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE];

/// What another library reads.
fn read(bytes: &[u8], syntax: &str) -> InMemDicomObject {
    let syntax = match syntax {
        IMPLICIT_LE => IMPLICIT_VR_LITTLE_ENDIAN.erased(),
        EXPLICIT_LE => EXPLICIT_VR_LITTLE_ENDIAN.erased(),
        _ => EXPLICIT_VR_BIG_ENDIAN.erased(),
    };
    InMemDicomObject::read_dataset_with_ts(bytes, &syntax).unwrap()
}

#[test]
fn a_query_says_the_same_in_every_transfer_syntax() {
    let query = Query::new(Level::Series)
        .matching("StudyInstanceUID", "1.2.3")
        .matching("Modality", "CT")
        .asking("NumberOfSeriesRelatedInstances")
        .asking("SeriesInstanceUID");
    for syntax in SYNTAXES {
        let bytes = query.bytes(&uid(syntax));
        let set = read(&bytes, syntax);
        let text = |name: &str| set.element_by_name(name).unwrap().to_str().unwrap().into_owned();
        assert_eq!(text("QueryRetrieveLevel").trim(), "SERIES", "{syntax}");
        assert_eq!(text("StudyInstanceUID"), "1.2.3");
        assert_eq!(text("SeriesInstanceUID"), "");
        let tags: Vec<_> = set.iter().map(|element| element.header().tag).collect();
        assert_eq!(tags.len(), 5);

        let found = Found::parse(&bytes, &uid(syntax)).unwrap();
        assert_eq!(found.uid("StudyInstanceUID"), Some(uid("1.2.3")));
        assert_eq!(found.text("Modality"), Some("CT"));
        assert_eq!(found.text("SeriesInstanceUID"), None);
        assert_eq!(found.number("NumberOfSeriesRelatedInstances"), None);
    }
}

#[test]
fn a_commitment_says_what_is_kept_and_what_is_not() {
    let instances = vec![(uid(CT), uid("1.2.3.1")), (uid(CT), uid("1.2.3.22")), (uid(CT), uid("1.2.3.3"))];
    let request = CommitmentRequest { transaction_uid: uid("1.2.9"), instances };
    for syntax in SYNTAXES {
        let bytes = request.bytes(&uid(syntax));
        assert_eq!(CommitmentRequest::parse(&bytes, &uid(syntax)), Ok(request.clone()), "{syntax}");
        let set = read(&bytes, syntax);
        assert_eq!(set.element_by_name("ReferencedSOPSequence").unwrap().items().unwrap().len(), 3);

        let report = request.report(&[(uid("1.2.3.22"), 0x0112)], &uid(syntax));
        let commitment = Commitment::parse(&report, &uid(syntax)).unwrap();
        assert_eq!(commitment.transaction_uid, uid("1.2.9"));
        assert_eq!(commitment.committed, [uid("1.2.3.1"), uid("1.2.3.3")]);
        assert_eq!(commitment.failed, [(uid("1.2.3.22"), 0x0112)]);
        let failed = read(&report, syntax);
        let failed = failed.element_by_name("FailedSOPSequence").unwrap().items().unwrap();
        assert_eq!(failed[0].element_by_name("FailureReason").unwrap().to_int::<u16>().unwrap(), 0x0112);
    }
}

#[test]
fn a_report_that_is_cut_off_is_not_taken_for_a_success() {
    let request = CommitmentRequest {
        transaction_uid: uid("1.2.9"),
        instances: vec![(uid(CT), uid("1.2.3.1")), (uid(CT), uid("1.2.3.2"))],
    };
    let report = request.report(&[(uid("1.2.3.2"), 0x0110)], &uid(EXPLICIT_LE));
    for end in 0..report.len() {
        // Between two elements a report may end; what is kept comes last.
        if let Ok(cut) = Commitment::parse(&report[..end], &uid(EXPLICIT_LE)) {
            assert!(cut.committed.is_empty(), "{end}: {cut:?}");
        }
    }
}
