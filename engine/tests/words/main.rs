//! Words: the template's, and what is left of a language model's.

mod attempt;
mod followed;
mod made;
mod replies;
mod request;
mod template;
