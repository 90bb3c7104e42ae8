//! People to be told: `reference` and `face-map`.

use std::{path::PathBuf, sync::Arc};

use glib::subclass::prelude::*;

use super::{Load, LoadError, Made};
use crate::{
    engine::{People, Source, SourceError, SourceLoader, split_list, split_map},
    models::Search,
    sync::lock,
};

/// Who becomes whom.
pub(super) fn pairs(map: Option<&str>) -> Result<Vec<(String, String)>, LoadError> {
    split_map(map.unwrap_or_default()).map_err(LoadError::Map)
}

/// Whom somebody becomes, by the photos.
pub(super) type Mapped = (String, Arc<Source>);

/// An error, with the property that it comes from.
type PropertyError = (&'static str, LoadError);

impl Load {
    /// Brings the engine the people to be told that the user now asks for. Where they cannot be
    /// used that is said, and those before stay.
    pub(super) fn follow_people(&mut self) {
        let port = self.made.as_ref().map(|made| made.people.clone());
        let (Some(element), Some(port)) = (self.element.upgrade(), port) else { return };
        let wanted = {
            let settings = lock(&element.imp().settings);
            (settings.reference.clone(), settings.face_map.clone())
        };
        if wanted == self.told {
            return;
        }
        match self.load_people(wanted.0.as_deref(), wanted.1.as_deref()) {
            Ok(people) => port.offer(people),
            Err((property, error)) => {
                let text = format!("{property}: {error}");
                gst::element_warning!(element, gst::StreamError::Decode, ("{text}"));
            }
        }
        self.told = wanted;
    }

    fn load_people(
        &mut self,
        reference: Option<&str>,
        map: Option<&str>,
    ) -> Result<Option<People>, PropertyError> {
        if reference.is_none() && map.is_none() {
            self.mapped.clear();
            return Ok(None);
        }
        let Some(Made { sources, .. }) = &mut self.made else { return Ok(None) };
        sources.keep_portraits(true);
        let told = tell_apart(sources, &self.search, self.cache.clone(), &self.mapped, reference, map);
        sources.keep_portraits(self.neural.is_some());
        let (mut people, mapped) = told?;
        self.warn(people.take_warnings());
        self.mapped = mapped;
        self.identify().map_err(|e| ("face-map", e))?;
        Ok(Some(people))
    }
}

/// People to be told, and whom those of `map` become, of whom some are `known`.
fn tell_apart(
    sources: &mut SourceLoader,
    search: &Search,
    cache: Option<PathBuf>,
    known: &[Mapped],
    reference: Option<&str>,
    map: Option<&str>,
) -> Result<(People, Vec<Mapped>), PropertyError> {
    let property = if map.is_some() { "face-map" } else { "reference" };
    let model = search.recognizer().map_err(|e| (property, e.into()))?;
    let mut people = People::new(&model, cache).map_err(|e| (property, e.into()))?;
    if let Some(list) = reference {
        people.refer(sources, &split_list(list)).map_err(|e| ("reference", e.into()))?;
    }
    let of_map = |e: SourceError| ("face-map", LoadError::from(e));
    let mut mapped: Vec<Mapped> = Vec::new();
    for (who, shown) in pairs(map).map_err(|e| ("face-map", e))? {
        let source = match known.iter().chain(&mapped).find(|(list, _)| *list == shown) {
            Some((_, source)) => source.clone(),
            None => sources.load(&split_list(&shown)).map_err(of_map)?.0,
        };
        mapped.push((shown, source.clone()));
        people.map(sources, &split_list(&who), source).map_err(of_map)?;
    }
    Ok((people, mapped))
}
