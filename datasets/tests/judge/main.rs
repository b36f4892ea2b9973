//! What the judge promises, tested through its public face.

mod findings_schema;
mod froc;
mod lidc;
mod made;
mod matching;
mod truth;
