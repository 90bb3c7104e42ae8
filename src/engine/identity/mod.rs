//! Who is put in: source images, decoded and prepared.

mod cut;
mod decode;
mod list;
mod portrait;
mod recognizer;
mod reference;
mod source;

pub use list::{expand, split_list};
pub(crate) use portrait::Portrait;
pub(crate) use recognizer::{Recognizer, alignment, norm};
pub(crate) use reference::Likeness;
pub use reference::{Reference, ReferencePort};
pub(crate) use source::View;
pub use source::{Source, SourceLoader, SourceWarning};
