//! Unique identifiers, checked once and never again.

use std::fmt;

use uuid::Uuid;

/// A DICOM unique identifier: digits and dots, at most 64 characters.
///
/// Safe as part of a file name, a URL path or a log line, because nothing else fits in.
///
/// Source: DICOM PS3.5 9.1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(String);

impl TryFrom<String> for Uid {
    type Error = NotAUid;

    fn try_from(text: String) -> Result<Self, NotAUid> {
        Self::parse(&text)
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> Self {
        uid.0
    }
}

/// A text that is no UID. It does not repeat the text, which may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a DICOM UID (digits and dots, at most 64 characters)")]
pub struct NotAUid;

/// The namespace of every UID that Foci derives: a random UUID, fixed for good.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0c_1a5e_2b7d_4d3f_9c41_0a8d_57e2_93b6);

impl Uid {
    /// Accepts digits and dots with no empty component, after trailing NUL and blanks are taken off.
    ///
    /// Leading zeros are let through: real archives hold them.
    pub fn parse(text: &str) -> Result<Self, NotAUid> {
        let text = text.trim_end_matches(['\0', ' ']);
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if text.len() <= 64 && text.split('.').all(digits) { Ok(Self(text.to_owned())) } else { Err(NotAUid) }
    }

    /// The UID that belongs to `parts`: the same parts give the same UID, on every machine, for ever.
    ///
    /// The parts are joined by a character that no UID or hash holds, hashed as a version 5 UUID and
    /// written under the root 2.25.
    ///
    /// Source: DICOM PS3.5 B.2.
    pub fn derived(parts: &[&str]) -> Self {
        let uuid = Uuid::new_v5(&NAMESPACE, parts.join("\n").as_bytes());
        Self(format!("2.25.{}", uuid.as_u128()))
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_taken_off_and_nothing_else_is_accepted() {
        assert_eq!(Uid::parse("1.2.840.1\0").unwrap().as_str(), "1.2.840.1");
        for wrong in ["", "1..2", "1.2.", "../etc", "1.2a", &"1".repeat(65)] {
            assert_eq!(Uid::parse(wrong), Err(NotAUid), "{wrong:?}");
        }
    }

    #[test]
    fn derived_uids_depend_on_every_part_and_on_where_one_ends() {
        let uid = Uid::derived(&["1.2", "3"]);
        assert_eq!(uid, Uid::derived(&["1.2", "3"]));
        assert_ne!(uid, Uid::derived(&["1.2", "4"]));
        assert_ne!(uid, Uid::derived(&["1", "2.3"]));
        assert_eq!(Uid::parse(uid.as_str()), Ok(uid));
    }
}
