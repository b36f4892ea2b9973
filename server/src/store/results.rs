//! The DICOM objects that finished jobs have made.

use dicom_io::Uid;

use super::{Store, uid};

/// A DICOM object that a finished job has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeObject {
    pub(crate) study: Uid,
    pub(crate) series: Uid,
    pub(crate) sop_class: Uid,
    pub(crate) sop_instance: Uid,
    /// Below the folder `results`.
    pub(crate) file: String,
}

impl Store {
    /// The objects made of `study`, or of all studies; the newest first. Where two jobs made the same one, the
    /// first: it is the one that was sent.
    pub(crate) async fn made(&self, study: Option<&Uid>) -> sqlx::Result<Vec<MadeObject>> {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT job.study_uid, result.series_uid, result.sop_class_uid, result.sop_instance_uid, \
             result.file FROM result JOIN job ON job.id = result.job_id \
             WHERE job.state = 'done' AND result.sop_instance_uid IS NOT NULL AND result.id = \
             (SELECT MIN(same.id) FROM result AS same WHERE same.sop_instance_uid = result.sop_instance_uid)",
        );
        if let Some(study) = study {
            query.push(" AND job.study_uid = ").push_bind(study.as_str().to_owned());
        }
        query.push(" ORDER BY result.id DESC");
        let rows: Vec<(String, String, String, String, String)> =
            query.build_query_as().fetch_all(&self.read).await?;
        let made =
            |(study, series, sop_class, sop_instance, file): (String, String, String, String, String)| {
                MadeObject {
                    study: uid(&study),
                    series: uid(&series),
                    sop_class: uid(&sop_class),
                    sop_instance: uid(&sop_instance),
                    file,
                }
            };
        Ok(rows.into_iter().map(made).collect())
    }
}
