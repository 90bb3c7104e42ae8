//! People to be told: `reference` and `face-map`.

use std::sync::Arc;

use glib::subclass::prelude::*;

use super::{Load, LoadError};
use crate::{
    engine::{People, Source, SourceError, SourceLoader, split_list, split_map},
    sync::lock,
};

/// Who becomes whom.
pub(super) fn pairs(map: Option<&str>) -> Result<Vec<(String, String)>, LoadError> {
    split_map(map.unwrap_or_default()).map_err(LoadError::Map)
}

impl Load {
    /// Brings the engine the people to be told that the user now asks for. Where they cannot be
    /// used that is said, and those before stay.
    pub(super) fn follow_people(&mut self) {
        let (Some(element), Some(port)) = (self.element.upgrade(), self.people.clone()) else { return };
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

    /// With the property that an error comes from.
    fn load_people(
        &mut self,
        reference: Option<&str>,
        map: Option<&str>,
    ) -> Result<Option<People>, (&'static str, LoadError)> {
        if reference.is_none() && map.is_none() {
            self.mapped.clear();
            return Ok(None);
        }
        let Some(mut sources) = self.sources.take() else { return Ok(None) };
        sources.keep_portraits(true);
        let loaded = self.tell_apart(&mut sources, reference, map);
        sources.keep_portraits(self.neural.is_some());
        self.sources = Some(sources);
        loaded.map(Some)
    }

    fn tell_apart(
        &mut self,
        sources: &mut SourceLoader,
        reference: Option<&str>,
        map: Option<&str>,
    ) -> Result<People, (&'static str, LoadError)> {
        let property = if map.is_some() { "face-map" } else { "reference" };
        let model = self.search.recognizer().map_err(|e| (property, e.into()))?;
        let mut people = People::new(&model, self.cache.clone()).map_err(|e| (property, e.into()))?;
        if let Some(list) = reference {
            people.refer(sources, &split_list(list)).map_err(|e| ("reference", e.into()))?;
        }
        let of_map = |e: SourceError| ("face-map", LoadError::from(e));
        let mut mapped: Vec<(String, Arc<Source>)> = Vec::new();
        for (who, shown) in pairs(map).map_err(|e| ("face-map", e))? {
            let known = self.mapped.iter().chain(&mapped).find(|(list, _)| *list == shown);
            let source = match known {
                Some((_, source)) => source.clone(),
                None => sources.load(&split_list(&shown)).map_err(of_map)?.0,
            };
            mapped.push((shown, source.clone()));
            people.map(sources, &split_list(&who), source).map_err(of_map)?;
        }
        self.warn(people.take_warnings());
        self.mapped = mapped;
        self.identify().map_err(|e| ("face-map", e))?;
        Ok(people)
    }
}
