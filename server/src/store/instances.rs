//! Instances that were received, and those kept aside.

use std::path::PathBuf;

use dicom_io::Uid;

use super::Store;

impl Store {
    /// The images of `study` up to `revision`, below the folder `images`.
    pub(crate) async fn images_of(&self, study: &Uid, revision: u32) -> sqlx::Result<Vec<PathBuf>> {
        let _ = (study, revision);
        todo!()
    }
}
