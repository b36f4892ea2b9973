//! The status page: files that are part of the program, so that it works with no network but this.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Everything below `/assets`: its name, its media type, its content.
const ASSETS: [(&str, &str, &str); 6] = [
    ("style.css", CSS, include_str!("page/style.css")),
    ("app.js", JS, include_str!("page/app.js")),
    ("show.js", JS, include_str!("page/show.js")),
    ("words.js", JS, include_str!("page/words.js")),
    ("login.js", JS, include_str!("page/login.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// Whether `path` is open to all: it holds nothing but the page, and what asks for the token.
pub(super) fn is_open(path: &str) -> bool {
    matches!(path, "/login" | "/favicon.ico") || path.starts_with("/assets/")
}

pub(super) async fn index() -> Response {
    serve(HTML, include_str!("page/index.html"))
}

pub(super) async fn login() -> Response {
    serve(HTML, include_str!("page/login.html"))
}

/// What browsers ask for beside pages that name no icon: a report, a picture.
pub(super) async fn icon() -> Response {
    serve("image/svg+xml", include_str!("page/icon.svg"))
}

pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = ASSETS.iter().find(|(known, ..)| *known == name);
    let (_, media_type, content) = found.ok_or(Problem::NoFile)?;
    Ok(serve(media_type, content))
}

fn serve(media_type: &'static str, content: &'static str) -> Response {
    // A browser asks again each time: another version of the program has another page.
    let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-cache")];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_word_of_the_page_is_given_twice() {
        // An object literal takes the last of two, without a word.
        let lines = include_str!("page/words.js").lines().filter_map(|line| line.strip_prefix("  "));
        let mut words: Vec<_> =
            lines.filter_map(|line| line.split_once(": [")).map(|(word, _)| word).collect();
        assert!(words.len() > 100 && words.contains(&"skip"), "{words:?}");
        words.sort_unstable();
        let twice: Vec<_> = words.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
