//! Several files in one HTTP message: multipart/related, read as a stream.
//!
//! No part is ever held whole: what was read is passed on, but for the few bytes that may be the beginning
//! of a boundary. The other side decides how the bytes are cut; the parts are the same however it does.
//! Writing is the business of [`message`](super::message).
//!
//! Source: RFC 2046 5.1, RFC 2387, DICOM PS3.18 8.6.1.2.

use std::error::Error;
use std::io;
use std::time::Duration;

use axum::body::Bytes;
use bytes::{Buf, BytesMut};
use futures_util::stream::{BoxStream, Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::media::MediaType;

/// The headers of one part may take this many bytes.
const LONGEST_HEAD: usize = 16 << 10;

/// A message may have this many parts. The largest studies have a few thousand images.
const MOST_PARTS: usize = 50_000;

/// A boundary has at most so many characters. RFC 2046 5.1.1 says 70; Orthanc takes 73.
const LONGEST_BOUNDARY: usize = 200;

/// Of a message that is answered before its end, so much more is read, for so long.
const HEAR_OUT_BYTES: u64 = 64 << 20;
const HEAR_OUT: Duration = Duration::from_secs(2);

/// What a message may take of us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// In all.
    pub(crate) bytes: u64,
    /// Between two pieces of it.
    pub(crate) idle: Duration,
    /// From now to its end.
    pub(crate) whole: Duration,
}

/// Why a message cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The sender's data is wrong.
    #[error("the message is no sound multipart/related: {0}")]
    Malformed(&'static str),
    /// The sender sends less at once, or the operator raises the limit.
    #[error("the message has more than {0} bytes")]
    TooLarge(u64),
    /// The sender sends less at once.
    #[error("the message has more than {MOST_PARTS} parts")]
    TooMany,
    /// The sender tries again.
    #[error("the sender fell silent, or took too long")]
    Slow,
    /// The sender tries again.
    #[error("the connection broke: {0}")]
    Connection(Box<dyn Error + Send + Sync>),
}

/// The parts of a message that is coming in.
pub(crate) struct Parts {
    source: BoxStream<'static, Result<Bytes, Box<dyn Error + Send + Sync>>>,
    /// What was read and not passed on.
    buffer: BytesMut,
    /// What ends a part.
    delimiter: Vec<u8>,
    place: Place,
    parts: usize,
    limits: Limits,
    read: u64,
    deadline: Instant,
}

/// Line break, two hyphens, and the text that separates parts.
pub(crate) struct Boundary(Vec<u8>);

/// Where in the message the buffer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a part, or before the first: what comes before it is a part that nobody wants.
    Body,
    /// After a delimiter.
    Head,
    /// After the last delimiter.
    End,
}

/// The headers of a part, as far as they matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Content-Type, where there is one.
    pub(crate) media_type: Option<MediaType>,
}

impl Parts {
    /// Reads the parts of `source`, between which `boundary` stands.
    pub(crate) fn new<E: Into<Box<dyn Error + Send + Sync>>>(
        boundary: Boundary,
        source: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
        limits: Limits,
    ) -> Self {
        Self {
            source: source.map(|piece| piece.map_err(Into::into)).boxed(),
            // So that the first delimiter looks like the others, whether or not anything comes before it.
            buffer: BytesMut::from(&b"\r\n"[..]),
            delimiter: boundary.0,
            place: Place::Body,
            parts: 0,
            limits,
            read: 0,
            deadline: Instant::now() + limits.whole,
        }
    }

    /// Reads on to where the source ends, see [`hear_out`].
    pub(crate) async fn hear_out(self) {
        hear_out(self.source).await;
    }

    /// Goes on to the next part, past what is left of this one. `None`: there is none.
    pub(crate) async fn next(&mut self) -> Result<Option<Head>, Broken> {
        while self.chunk().await?.is_some() {}
        loop {
            if self.place == Place::End || self.buffer.starts_with(b"--") {
                self.place = Place::End;
                return Ok(None);
            }
            let looked_at = self.buffer.len().min(LONGEST_HEAD);
            if let Some(length) = find(&self.buffer[..looked_at], b"\r\n\r\n") {
                self.parts += 1;
                if self.parts > MOST_PARTS {
                    return Err(Broken::TooMany);
                }
                let head = Head::parse(&self.buffer[..length])?;
                self.buffer.advance(length + 4);
                self.place = Place::Body;
                return Ok(Some(head));
            }
            if looked_at == LONGEST_HEAD {
                return Err(Broken::Malformed("the headers of a part do not end"));
            }
            self.fill().await?;
        }
    }

    /// The next bytes of this part; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        while self.place == Place::Body {
            if let Some(at) = find(&self.buffer, &self.delimiter) {
                let rest = self.buffer.split_to(at).freeze();
                self.buffer.advance(self.delimiter.len());
                self.place = Place::Head;
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
            let sure = self.buffer.len() - beginning(&self.buffer, &self.delimiter);
            if sure > 0 {
                return Ok(Some(self.buffer.split_to(sure).freeze()));
            }
            self.fill().await?;
        }
        Ok(None)
    }

    /// Reads on. The message is not at its end yet: if the source is, that is an error.
    async fn fill(&mut self) -> Result<(), Broken> {
        let until = self.deadline.min(Instant::now() + self.limits.idle);
        let piece = timeout_at(until, self.source.next()).await.map_err(|_| Broken::Slow)?;
        let piece = piece.ok_or(Broken::Malformed("it ends before its last boundary"))?;
        let piece = piece.map_err(|error| self.broken(error))?;
        self.read = self.read.saturating_add(piece.len() as u64);
        if self.read > self.limits.bytes {
            return Err(Broken::TooLarge(self.limits.bytes));
        }
        self.buffer.extend_from_slice(&piece);
        Ok(())
    }

    /// What an error of the source means. The web server ends bodies that are too long or too slow.
    fn broken(&self, error: Box<dyn Error + Send + Sync>) -> Broken {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&*error);
        while let Some(error) = cause {
            match error.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::FileTooLarge) => return Broken::TooLarge(self.limits.bytes),
                Some(io::ErrorKind::TimedOut) => return Broken::Slow,
                _ => cause = error.source(),
            }
        }
        Broken::Connection(error)
    }
}

impl Boundary {
    /// The boundary that the Content-Type of a message names.
    pub(crate) fn of(media_type: &MediaType) -> Result<Self, Broken> {
        let boundary = media_type.parameter("boundary").ok_or(Broken::Malformed("it names no boundary"))?;
        let printable = boundary.bytes().all(|b| (b' '..=b'~').contains(&b));
        if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY || !printable {
            return Err(Broken::Malformed("its boundary is not one to 200 printable characters"));
        }
        Ok(Self([b"\r\n--", boundary.as_bytes()].concat()))
    }
}

/// Reads on and throws away what comes, within reason. A sender that is still sending when the connection is
/// closed loses the answer.
pub(crate) async fn hear_out<E>(source: impl Stream<Item = Result<Bytes, E>>) {
    let mut source = std::pin::pin!(source);
    let rest = async {
        let mut read = 0;
        while let Some(Ok(piece)) = source.next().await {
            read += piece.len() as u64;
            if read > HEAR_OUT_BYTES {
                break;
            }
        }
    };
    // Whoever sends for longer is not waited for.
    let _ = timeout(HEAR_OUT, rest).await;
}

impl Head {
    /// Reads what stands between a delimiter and the blank line: blanks, then headers.
    fn parse(bytes: &[u8]) -> Result<Self, Broken> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| Broken::Malformed("the headers of a part are no text"))?;
        // A line that begins with a blank continues the one before.
        let text = text.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = text.split("\r\n");
        if lines.next().is_some_and(|padding| !padding.trim().is_empty()) {
            return Err(Broken::Malformed("something follows a boundary on its line"));
        }
        let mut media_type = None;
        for line in lines {
            let (name, value) =
                line.split_once(':').ok_or(Broken::Malformed("a header of a part has no colon"))?;
            if name.trim().eq_ignore_ascii_case("content-type") {
                let parsed = MediaType::parse(value.trim());
                media_type = Some(parsed.ok_or(Broken::Malformed("the Content-Type of a part is none"))?);
            }
        }
        Ok(Self { media_type })
    }
}

/// Where `needle` is in `bytes`.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| *byte == first)?;
        if bytes[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// How many bytes at the end of `bytes` may be the beginning of `needle`.
fn beginning(bytes: &[u8], needle: &[u8]) -> usize {
    let longest = bytes.len().min(needle.len() - 1);
    (1..=longest).rev().find(|length| bytes.ends_with(&needle[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const LIMITS: Limits =
        Limits { bytes: 1 << 20, idle: Duration::from_millis(200), whole: Duration::from_secs(20) };

    fn boundary(text: &str) -> Result<Boundary, Broken> {
        let media_type = format!("multipart/related; type=\"application/dicom\"; boundary=\"{text}\"");
        Boundary::of(&MediaType::parse(&media_type).unwrap())
    }

    /// The parts of `message`, which comes in `pieces`, up to where it breaks.
    async fn read(pieces: Vec<Vec<u8>>) -> (Vec<(Option<String>, Vec<u8>)>, Option<Broken>) {
        let pieces = pieces.into_iter().map(|piece| Ok::<_, io::Error>(Bytes::from(piece)));
        let mut parts = Parts::new(boundary("b").unwrap(), stream::iter(pieces), LIMITS);
        let mut found = Vec::new();
        let broken = loop {
            match parts.next().await {
                Ok(Some(head)) => found.push((head.media_type.map(|t| t.essence), Vec::new())),
                Ok(None) => break None,
                Err(broken) => break Some(broken),
            }
            loop {
                match parts.chunk().await {
                    Ok(Some(bytes)) => found.last_mut().unwrap().1.extend_from_slice(&bytes),
                    Ok(None) => break,
                    // Comes again with the next call.
                    Err(_) => break,
                }
            }
        };
        (found, broken)
    }

    async fn read_whole(message: &[u8]) -> (Vec<(Option<String>, Vec<u8>)>, Option<Broken>) {
        read(vec![message.to_vec()]).await
    }

    /// Two parts whose content is full of what looks like a boundary, and a preamble and an epilogue.
    const TRICKY: &[u8] = b"preamble\r\n--b \t\r\nContent-Type:\r\n application/DICOM\r\nX: y\r\n\r\n\
        \r\n--\r\n-\r\r\n--a--b\r\n\r\n--b\r\n\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nlast\r\n--b--\r\nepilogue";

    #[tokio::test]
    async fn however_the_bytes_are_cut_the_parts_are_the_same() {
        let dicom = Some("application/dicom".to_owned());
        let expected = vec![
            (dicom, b"\r\n--\r\n-\r\r\n--a--b\r\n".to_vec()),
            (None, Vec::new()),
            (Some("text/plain".to_owned()), b"last".to_vec()),
        ];
        for first in 0..TRICKY.len() {
            for second in first..TRICKY.len() {
                let pieces = [&TRICKY[..first], &TRICKY[first..second], &TRICKY[second..]];
                let (found, broken) = read(pieces.map(<[u8]>::to_vec).to_vec()).await;
                assert!(broken.is_none() && found == expected, "{first} {second}: {broken:?} {found:?}");
            }
        }
        let (found, broken) = read(TRICKY.iter().map(|byte| vec![*byte]).collect()).await;
        assert!(broken.is_none() && found == expected, "byte by byte: {broken:?} {found:?}");
    }

    #[tokio::test]
    async fn a_message_cut_off_anywhere_is_an_error_and_never_a_shorter_message() {
        let end = TRICKY.windows(5).position(|w| w == b"--b--").unwrap() + 5;
        for length in 0..end {
            let (_, broken) = read_whole(&TRICKY[..length]).await;
            assert!(matches!(broken, Some(Broken::Malformed(_))), "{length}: {broken:?}");
        }
        assert!(read_whole(&TRICKY[..end]).await.1.is_none());
    }

    #[tokio::test]
    async fn a_boundary_is_asked_for_and_has_200_characters_at_most() {
        let without = MediaType::parse("multipart/related; type=application/dicom").unwrap();
        assert!(matches!(Boundary::of(&without), Err(Broken::Malformed(_))));
        for (text, fits) in [("", false), (&*"b".repeat(200), true), (&*"b".repeat(201), false)] {
            assert_eq!(boundary(text).is_ok(), fits, "{text}");
        }
    }

    #[tokio::test]
    async fn headers_without_end_are_refused_before_they_fill_the_memory() {
        let line = b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".to_vec();
        let mut pieces = vec![b"--b\r\n".to_vec()];
        pieces.extend(std::iter::repeat_n(line, 10_000));
        let (found, broken) = read(pieces).await;
        assert!(matches!(broken, Some(Broken::Malformed(why)) if why.contains("headers")), "{broken:?}");
        assert!(found.is_empty());
    }

    #[tokio::test]
    async fn more_bytes_than_allowed_are_refused() {
        let mut pieces = vec![b"--b\r\n\r\n".to_vec()];
        pieces.extend(std::iter::repeat_n(vec![0; 1 << 16], 20));
        let (_, broken) = read(pieces).await;
        assert!(matches!(broken, Some(Broken::TooLarge(_))), "{broken:?}");
    }

    #[tokio::test]
    async fn who_falls_silent_is_not_waited_for() {
        let source = stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"--b\r\n\r\nhalf"))]);
        let mut parts = Parts::new(boundary("b").unwrap(), source.chain(stream::pending()), LIMITS);
        assert!(parts.next().await.unwrap().is_some());
        assert_eq!(parts.chunk().await.unwrap().unwrap(), "half");
        assert!(matches!(parts.chunk().await, Err(Broken::Slow)));
    }

    #[tokio::test]
    async fn what_is_not_a_header_is_refused() {
        for wrong in ["--b\r\nno colon\r\n\r\n", "--bcd\r\n\r\n", "--b\r\nContent-Type: x\r\n\r\n"] {
            let (found, broken) = read_whole(wrong.as_bytes()).await;
            assert!(
                found.is_empty() && matches!(broken, Some(Broken::Malformed(_))),
                "{wrong:?}: {broken:?}"
            );
        }
    }
}
