//! The font that Chinese pages are printed with: found or fetched, and checked.
//!
//! No network has to do with it; it is here because it comes to a machine as weights do.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use crate::cache::{Cache, Progress, sha256, sha256_of_file};
use crate::error::Error;
use crate::fetch::{self, Package};

/// Noto Sans SC, regular: Chinese as written in China, and Western letters. SIL Open Font License 1.1.
const FILE: &str = "pylopdf_fonts_zh_cn/NotoSansSC-Regular.otf";
const FILE_SHA256: &str = "faa6c9df652116dde789d351359f3d7e5d2285a2b2a1f04a2d7244df706d5ea9";

/// Its name in the cache.
const ENTRY: &str = "NotoSansSC-Regular.otf";

fn package() -> Package {
    Package {
        name: "pylopdf-fonts-zh-cn".to_owned(),
        version: "0.1.1".to_owned(),
        platform: None,
        bytes: 17_084_102,
        sha256: "e2661ef3790cbe0f0f6aa5338b6859b7cd288ee75bc88cd4239c62cd025d4fb3".to_owned(),
    }
}

/// A font file whose SHA-256 is the expected one.
#[derive(Debug, Clone)]
pub struct Font {
    bytes: Vec<u8>,
}

impl Font {
    /// The font for Chinese: in the cache, or fetched once and put there.
    ///
    /// # Errors
    ///
    /// [`Error::Font`] when it cannot be fetched or is not the expected one, and [`Error::Cache`] when the
    /// cache cannot be read or written.
    pub fn chinese(cache: &Cache, progress: &dyn Fn(Progress<'_>)) -> Result<Self, Error> {
        let file = cache.ensure(ENTRY, |scratch| {
            let package = package();
            let wheel = fetch::wheel(&package, scratch, progress).map_err(|problem| {
                Error::Font(format!(
                    "it is not installed and cannot be fetched ({problem}); put {ENTRY} into the cache, from the wheel \
                     {} {}, or print in English",
                    package.name, package.version
                ))
            })?;
            let made = scratch.join("font");
            fs::write(&made, unpacked(&wheel)?).map_err(Error::Cache)?;
            Ok(made)
        })?;
        let found = sha256_of_file(&file).map_err(Error::Cache)?;
        if found != FILE_SHA256 {
            return Err(Error::Font(format!(
                "it has the SHA-256 {found} where {FILE_SHA256} is expected; delete {ENTRY} from the cache, so that it is \
                 fetched anew"
            )));
        }
        Ok(Self { bytes: fs::read(file).map_err(Error::Cache)? })
    }

    /// The OpenType file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn unpacked(wheel: &Path) -> Result<Vec<u8>, Error> {
    let broken = |e: zip::result::ZipError| Error::Font(format!("the wheel cannot be read: {e}"));
    let mut archive = zip::ZipArchive::new(File::open(wheel).map_err(Error::Cache)?).map_err(broken)?;
    let mut bytes = Vec::new();
    archive.by_name(FILE).map_err(broken)?.read_to_end(&mut bytes).map_err(Error::Cache)?;
    let found = sha256(&bytes);
    if found == FILE_SHA256 {
        Ok(bytes)
    } else {
        Err(Error::Font(format!(
            "the wheel holds one with the SHA-256 {found} where {FILE_SHA256} is expected"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_font_in_its_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(ENTRY), b"not the font").unwrap();
        let found = Font::chinese(&Cache::at(folder.path()), &|_| ());
        let Err(Error::Font(said)) = found else { panic!("{found:?}") };
        assert!(said.contains("is expected; delete NotoSansSC-Regular.otf"), "{said}");
    }
}
