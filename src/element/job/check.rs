//! What the element's start can say of its settings.

use std::path::PathBuf;

use super::{super::choice::Neural, LoadError, people::pairs};
use crate::{
    engine::{SourceError, split_list},
    models::{Pack, Search},
};

/// What can be said without loading anything: whether the files are there, and the cache is one's own.
pub(in crate::element) fn check(
    list: &str,
    search: &Search,
    network: Option<&Neural>,
    reference: Option<&str>,
    map: Option<&str>,
) -> Result<(), LoadError> {
    let pairs = pairs(map)?;
    let lists = pairs.iter().flat_map(|(who, shown)| [who.as_str(), shown]);
    let missing = |path: &PathBuf| matches!(path.try_exists(), Ok(false));
    if let Some(path) = [list].into_iter().chain(lists).chain(reference).flat_map(split_list).find(missing) {
        return Err(SourceError::Missing { path }.into());
    }
    Pack::find(search)?;
    if let Some(network) = network {
        search.check_swapper()?;
        network.options.prepare_cache()?;
    }
    search.enhancer()?;
    if reference.is_some() || !pairs.is_empty() {
        search.recognizer()?;
    }
    Ok(())
}
