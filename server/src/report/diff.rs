//! What has changed in a sentence: by character in Chinese, by word elsewhere.

use serde::Serialize;

/// Sentences whose tables would be larger than this are replaced as a whole. Nobody reads a diff of a page.
const LARGEST: usize = 4_000_000;

/// A run of text that stayed, went or came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Edit {
    Same(String),
    Removed(String),
    Added(String),
}

/// How `before` becomes `after`: the shortest list of words or characters taken out and put in.
pub(super) fn diff(before: &str, after: &str) -> Vec<Edit> {
    let (old, new) = (tokens(before), tokens(after));
    let mut edits: Vec<Edit> = Vec::new();
    let mut add = |edit: Edit| match (edits.last_mut(), edit) {
        (Some(Edit::Same(text)), Edit::Same(more))
        | (Some(Edit::Removed(text)), Edit::Removed(more))
        | (Some(Edit::Added(text)), Edit::Added(more)) => *text += &more,
        (_, edit) => edits.push(edit),
    };
    if old.len().saturating_mul(new.len()) > LARGEST {
        add(Edit::Removed(before.to_owned()));
        add(Edit::Added(after.to_owned()));
        return edits;
    }
    let common = common(&old, &new);
    let (mut i, mut j) = (0, 0);
    for (at, with) in common.into_iter().chain([(old.len(), new.len())]) {
        old[i..at].iter().for_each(|token| add(Edit::Removed((*token).to_owned())));
        new[j..with].iter().for_each(|token| add(Edit::Added((*token).to_owned())));
        if let Some(token) = old.get(at) {
            add(Edit::Same((*token).to_owned()));
        }
        (i, j) = (at + 1, with + 1);
    }
    edits
}

/// The edits in one line, as `wdiff` writes them: `a [-cyst-]{+lesion+}`.
pub(super) fn shown(edits: &[Edit]) -> String {
    edits
        .iter()
        .map(|edit| match edit {
            Edit::Same(text) => text.clone(),
            Edit::Removed(text) => format!("[-{text}-]"),
            Edit::Added(text) => format!("{{+{text}+}}"),
        })
        .collect()
}

/// The pairs of places of a longest common subsequence.
pub(super) fn common<T: PartialEq>(old: &[T], new: &[T]) -> Vec<(usize, usize)> {
    // lengths[i][j]: of the longest one of old[i..] and new[j..].
    let width = new.len() + 1;
    let mut lengths = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i * width + j] = if old[i] == new[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// Words, numbers with their decimal point, runs of blanks, and single characters for all else: Chinese has no
/// blanks between words.
fn tokens(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        _ if c.is_whitespace() => 1,
        '.' | '-' | '\'' => 3,
        _ if c.is_alphanumeric() && c < '\u{2e80}' => 2,
        _ => 0,
    };
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| kind(*next));
        let after = chars.clone().nth(1).map(|(_, after)| kind(after));
        // A point or hyphen belongs to a word only where the word goes on behind it.
        let goes_on = match (kind(c), next) {
            (1, Some(1)) | (2 | 3, Some(2)) if kind(c) != 3 || at > start => true,
            (2, Some(3)) => after == Some(2),
            _ => false,
        };
        if !goes_on {
            let end = at + c.len_utf8();
            tokens.push(&text[start..end]);
            start = end;
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, expected: &str) {
        let edits = diff(before, after);
        assert_eq!(shown(&edits), expected);
        let side = |skip: fn(&Edit) -> bool| -> String {
            let kept = edits.iter().filter(|edit| !skip(edit));
            kept.map(|(Edit::Same(text) | Edit::Removed(text) | Edit::Added(text))| text.as_str()).collect()
        };
        assert_eq!(side(|edit| matches!(edit, Edit::Added(_))), before);
        assert_eq!(side(|edit| matches!(edit, Edit::Removed(_))), after);
    }

    #[test]
    fn english_is_compared_by_word_and_a_number_is_one_word() {
        check("Nodule of 8.4 mm.", "Nodule of 9.4 mm.", "Nodule of [-8.4-]{+9.4+} mm.");
        check(
            "a well-defined nodule",
            "an ill-defined nodule",
            "[-a-]{+an+} [-well-defined-]{+ill-defined+} nodule",
        );
        check("Right lung.", "Right lung, apex.", "Right lung{+, apex+}.");
    }

    #[test]
    fn chinese_is_compared_by_character() {
        check("右肺见一枚结节。", "左肺见一枚结节。", "[-右-]{+左+}肺见一枚结节。");
        check("长径 8.4 mm", "长径约 8.4 mm", "长径{+约+} 8.4 mm");
    }

    #[test]
    fn nothing_and_everything_can_change() {
        check("", "New.", "{+New.+}");
        check("Old.", "", "[-Old.-]");
        check("Same.", "Same.", "Same.");
        let long = "a b ".repeat(3000);
        assert_eq!(diff(&long, &(long.clone() + "c")).len(), 2);
    }
}
