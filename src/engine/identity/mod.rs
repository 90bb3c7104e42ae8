//! Who is put in: source images, decoded and prepared.

mod decode;
mod list;
mod source;

pub use list::{expand, split_list};
pub(crate) use source::View;
pub use source::{Source, SourceLoader, SourceWarning};
