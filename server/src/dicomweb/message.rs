//! An HTTP message that goes out: bytes and files, one after another, written as a stream.
//!
//! Source: RFC 2046 5.1, RFC 2387.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::PathBuf;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::stream::{self, Stream};
use tokio::io::AsyncReadExt;

/// How much of a file is read at a time.
const CHUNK: usize = 256 << 10;

/// A message that goes out, of a length that is known.
#[derive(Debug)]
pub(crate) struct Message {
    media_type: String,
    contents: VecDeque<Content>,
}

/// A piece of a message.
#[derive(Debug)]
pub(crate) enum Content {
    /// A file, and its length.
    File(PathBuf, u64),
    /// What is at hand.
    Bytes(Bytes),
}

impl Message {
    /// This and nothing else.
    pub(crate) fn single(media_type: &str, content: Content) -> Self {
        Self { media_type: media_type.to_owned(), contents: [content].into() }
    }

    /// A multipart/related of `parts`, each of this type.
    pub(crate) fn related(media_type: &str, parts: Vec<Content>) -> Self {
        // Nobody who makes an object knows it in advance, so none holds it but by chance: 1 in 2^128.
        let random = || RandomState::new().hash_one(0);
        let boundary = format!("foci-{:016x}{:016x}", random(), random());
        let text = |text: String| Content::Bytes(text.into());
        let mut contents = VecDeque::new();
        let mut line_break = "";
        for part in parts {
            let head = format!("{line_break}--{boundary}\r\nContent-Type: {media_type}\r\n\r\n");
            contents.extend([text(head), part]);
            line_break = "\r\n";
        }
        contents.push_back(text(format!("{line_break}--{boundary}--\r\n")));
        let media_type = format!("multipart/related; type=\"{media_type}\"; boundary=\"{boundary}\"");
        Self { media_type, contents }
    }

    /// Its Content-Type.
    pub(crate) fn media_type(&self) -> &str {
        &self.media_type
    }

    /// How many bytes it has.
    pub(crate) fn length(&self) -> u64 {
        self.contents.iter().map(Content::length).sum()
    }

    /// Its bytes. They break off with an error if a file cannot be read.
    pub(crate) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let writing = Writing { contents: self.contents, file: None };
        stream::try_unfold(writing, |mut writing| async move {
            Ok(writing.more().await?.map(|bytes| (bytes, writing)))
        })
    }
}

impl IntoResponse for Message {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.media_type.clone()),
            (header::CONTENT_LENGTH, self.length().to_string()),
        ];
        (headers, Body::from_stream(self.into_stream())).into_response()
    }
}

impl Content {
    /// The file at `path`.
    ///
    /// # Errors
    ///
    /// If it cannot be looked at.
    pub(crate) async fn file(path: PathBuf) -> io::Result<Self> {
        let length = tokio::fs::metadata(&path).await?.len();
        Ok(Self::File(path, length))
    }

    fn length(&self) -> u64 {
        match self {
            Self::File(_, length) => *length,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

/// What is left to be written of a message.
struct Writing {
    contents: VecDeque<Content>,
    /// What is being read.
    file: Option<tokio::fs::File>,
}

impl Writing {
    /// The next bytes; `None` at the end.
    async fn more(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(file) = &mut self.file {
                let mut bytes = BytesMut::with_capacity(CHUNK);
                if file.read_buf(&mut bytes).await? > 0 {
                    return Ok(Some(bytes.freeze()));
                }
                self.file = None;
            }
            match self.contents.pop_front() {
                Some(Content::File(path, _)) => self.file = Some(tokio::fs::File::open(path).await?),
                Some(Content::Bytes(bytes)) => return Ok(Some(bytes)),
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt;

    use super::*;
    use crate::dicomweb::media::MediaType;
    use crate::dicomweb::multipart::{Boundary, Limits, Parts};

    const LIMITS: Limits =
        Limits { bytes: 1 << 20, idle: Duration::from_secs(20), whole: Duration::from_secs(20) };

    #[tokio::test]
    async fn what_is_written_is_read_and_as_long_as_announced() {
        let folder = tempfile::tempdir().unwrap();
        let (large, empty) = (folder.path().join("large"), folder.path().join("empty"));
        let content: Vec<u8> = (0..CHUNK * 2 + 3).map(|i| (i % 251) as u8).collect();
        std::fs::write(&large, &content).unwrap();
        std::fs::write(&empty, b"").unwrap();
        let parts = vec![
            Content::file(large).await.unwrap(),
            Content::file(empty).await.unwrap(),
            Content::Bytes(Bytes::from_static(b"\r\n--")),
        ];
        let message = Message::related("application/dicom", parts);
        let (media_type, length) = (MediaType::parse(message.media_type()).unwrap(), message.length());
        let pieces: Vec<Bytes> = message.into_stream().map(Result::unwrap).collect().await;
        assert_eq!(pieces.iter().map(|piece| piece.len() as u64).sum::<u64>(), length);

        let source = stream::iter(pieces.into_iter().map(Ok::<_, io::Error>));
        let mut parts = Parts::new(Boundary::of(&media_type).unwrap(), source, LIMITS);
        for expected in [&content[..], b"", b"\r\n--"] {
            let head = parts.next().await.unwrap().unwrap();
            assert_eq!(head.media_type.unwrap().essence, "application/dicom");
            let mut found = Vec::new();
            while let Some(bytes) = parts.chunk().await.unwrap() {
                found.extend_from_slice(&bytes);
            }
            assert!(found == expected);
        }
        assert!(parts.next().await.unwrap().is_none());
    }
}
