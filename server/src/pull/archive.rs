//! What an archive says that it has.

use anyhow::{Context, Result, bail, ensure};
use dicom_io::Uid;
use dicom_io::net::query::{Found, Level, Query};
use serde_json::Value;

use crate::config::{Config, Peer};
use crate::dicomweb::client::Web;
use crate::dimse::scu::Finding;
use crate::node::Node;

/// Who is asked.
pub(super) enum Archive {
    Dimse(Peer),
    Web(Web),
}

/// A study, as the archive describes it. What it says of the patient is never printed.
pub(super) struct Listed {
    pub(super) uid: Uid,
    patient_id: Option<String>,
    date: Option<String>,
    time: Option<String>,
    modalities: Vec<String>,
    instances: Option<u64>,
}

/// What is asked of each study.
const TOLD: [&str; 6] = [
    "PatientID",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
];

/// The same in DICOM JSON.
mod tag {
    pub(super) const STUDY_DATE: &str = "00080020";
    pub(super) const STUDY_TIME: &str = "00080030";
    pub(super) const MODALITIES_IN_STUDY: &str = "00080061";
    pub(super) const PATIENT_ID: &str = "00100020";
    pub(super) const STUDY_INSTANCE_UID: &str = "0020000D";
    pub(super) const NUMBER_OF_STUDY_RELATED_INSTANCES: &str = "00201208";
}

impl Archive {
    /// The peer or DICOMweb server of this name.
    pub(super) fn named(name: &str, config: &Config) -> Result<Self> {
        if let Some(peer) = config.peer(name) {
            ensure!(
                peer.host.is_some(),
                "the peer {name:?} has no host in the configuration: it cannot be called"
            );
            return Ok(Self::Dimse(peer.clone()));
        }
        if let Some(web) = config.web(name) {
            return Ok(Self::Web(Web::new(web)?));
        }
        let peers = config.peer.iter().map(|peer| &peer.name);
        let known: Vec<_> =
            peers.chain(config.dicomweb.iter().map(|web| &web.name)).map(String::as_str).collect();
        match &known[..] {
            [] => bail!("there is no {name:?}: the configuration names no peer and no DICOMweb server"),
            known => bail!("there is no {name:?}: the configuration names {}", known.join(", ")),
        }
    }

    /// The study `uid`, which the archive must have.
    pub(super) async fn study(&self, node: &Node, uid: &Uid) -> Result<Listed> {
        let found = self.find(node, "StudyInstanceUID", uid.as_str()).await?;
        let study = found.into_iter().find(|study| study.uid == *uid);
        study.with_context(|| format!("{} does not have study {uid}", self.name()))
    }

    /// The earlier studies of the patient of `uid`, the latest first; with `modality`, only those that have
    /// it.
    pub(super) async fn priors(&self, node: &Node, uid: &Uid, modality: Option<&str>) -> Result<Vec<Listed>> {
        let study = self.study(node, uid).await?;
        let name = self.name();
        let Some(patient) = &study.patient_id else {
            bail!("{name} does not say to which patient study {uid} belongs");
        };
        // These would match other patients too.
        ensure!(
            !patient.contains(['*', '?', '\\']),
            "the Patient ID of study {uid} cannot be asked for: it holds a wildcard"
        );
        ensure!(study.date.is_some(), "{name} does not say when study {uid} was made");
        let mut priors = self.find(node, "PatientID", patient).await?;
        priors.retain(|other| {
            other.uid != *uid
                && other.patient_id == study.patient_id
                && (&other.date, &other.time) < (&study.date, &study.time)
                && modality.is_none_or(|wanted| other.modalities.iter().any(|known| known == wanted))
        });
        priors.sort_by(|a, b| (&b.date, &b.time).cmp(&(&a.date, &a.time)));
        ensure!(!priors.is_empty(), "{name} has no such earlier study of the patient of study {uid}");
        Ok(priors)
    }

    async fn find(&self, node: &Node, keyword: &str, value: &str) -> Result<Vec<Listed>> {
        match self {
            Self::Dimse(peer) => {
                let asked = TOLD.iter().filter(|told| **told != keyword);
                let query = asked.fold(Query::new(Level::Study), |query, told| query.asking(told));
                let mut finding = Finding::begin(node, peer).await.with_context(|| peer.name.clone())?;
                let found = finding.find(&query.matching(keyword, value)).await;
                let found = found.with_context(|| peer.name.clone())?;
                finding.end().await;
                Ok(found.iter().filter_map(Listed::of).collect())
            }
            Self::Web(web) => {
                let found = web.find_studies(&[(keyword, value)]).await?;
                Ok(found.iter().filter_map(Listed::of_json).collect())
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Dimse(peer) => &peer.name,
            Self::Web(web) => web.name(),
        }
    }
}

impl Listed {
    fn of(found: &Found) -> Option<Self> {
        let text = |keyword| found.text(keyword).map(|text| text.trim().to_owned());
        Some(Self {
            uid: found.uid("StudyInstanceUID")?,
            patient_id: text("PatientID"),
            date: text("StudyDate"),
            time: text("StudyTime"),
            modalities: found.texts("ModalitiesInStudy").map(str::to_owned).collect(),
            instances: found.number("NumberOfStudyRelatedInstances"),
        })
    }

    fn of_json(found: &Value) -> Option<Self> {
        let values = |tag: &str| found.get(tag)?.get("Value")?.as_array().cloned();
        let texts = |tag: &str| -> Vec<String> {
            let values = values(tag).unwrap_or_default();
            values.iter().filter_map(|value| Some(value.as_str()?.trim().to_owned())).collect()
        };
        let text = |tag: &str| texts(tag).into_iter().next();
        let number = |tag: &str| {
            let value = values(tag)?.into_iter().next()?;
            value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
        };
        Some(Self {
            uid: Uid::parse(&text(tag::STUDY_INSTANCE_UID)?).ok()?,
            patient_id: text(tag::PATIENT_ID),
            date: text(tag::STUDY_DATE),
            time: text(tag::STUDY_TIME),
            modalities: texts(tag::MODALITIES_IN_STUDY),
            instances: number(tag::NUMBER_OF_STUDY_RELATED_INSTANCES),
        })
    }

    /// UID, date, modalities, number of objects; `-` for what the archive does not say.
    pub(super) fn line(&self) -> String {
        // What an archive says is shown on a terminal: nothing but what these can hold.
        let clean =
            |text: &str| text.chars().filter(char::is_ascii_alphanumeric).take(16).collect::<String>();
        let date = self.date.as_deref().map_or("-".to_owned(), clean);
        let modalities: Vec<_> = self.modalities.iter().map(|modality| clean(modality)).collect();
        let modalities = if modalities.is_empty() { "-".to_owned() } else { modalities.join(",") };
        let instances = self.instances.map_or("-".to_owned(), |count| count.to_string());
        format!("{}\t{date}\t{modalities}\t{instances}", self.uid)
    }
}
