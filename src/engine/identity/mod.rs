//! Who is put in: source images, decoded and prepared.

mod cache;
mod cut;
mod decode;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod list;
mod people;
mod portrait;
mod prepared;
mod recognizer;
mod source;

pub use list::{expand, split_list, split_map};
pub(crate) use people::Likeness;
pub use people::{People, PeoplePort};
pub(crate) use portrait::Portrait;
pub(crate) use prepared::View;
pub use recognizer::limit_embeddings;
pub(crate) use recognizer::{Recognizer, alignment, norm};
pub use source::{Source, SourceLoader, SourceWarning};
