//! What the element has from its start to its stop.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use gst::subclass::prelude::*;

use super::{
    choice::Neural,
    flight::Flight,
    imp::FaceSwap,
    job::{self, Load, Networks},
    loader::Loader,
    log::{self, CAT},
    mark::Used,
    stream::Stream,
};
use crate::{
    control::{platform::give_back_memory, stats::Stats},
    sync::lock,
};

impl FaceSwap {
    /// Checks the settings, and makes what there is while running.
    ///
    /// # Errors
    /// What the user wants cannot be had.
    pub(super) fn set_up(&self) -> Result<(), gst::ErrorMessage> {
        log::route_runtime();
        let settings = lock(&self.settings).clone();
        let search = settings.search();
        let photos = settings.photos();
        if let Some(list) = &photos {
            let neural =
                settings.neural().map_err(|e| gst::error_msg!(gst::LibraryError::Settings, ("{e}")))?;
            let (reference, map) = (settings.reference.as_deref(), settings.face_map.as_deref());
            job::check(list, &search, neural.as_ref(), reference, map).map_err(|e| e.to_start_error())?;
        }
        let neural = settings.neural().unwrap_or_default();
        self.set_budget(settings.max_memory);
        let neural = neural.map(|neural| Neural { batch: self.fit_batch(neural.batch), ..neural });
        self.faults.network.store(false, Ordering::Relaxed);
        self.faults.enhancer.store(false, Ordering::Relaxed);
        let cache = settings.model_cache_dir.as_ref().map(PathBuf::from);
        let networks = Networks { cache, swap: neural.clone(), enhancer: settings.enhancer() };
        let faults = self.faults.clone();
        let job = Load::new(&self.obj(), search, settings.threads as usize, networks, faults);
        let loader = Loader::spawn(job).map_err(|e| {
            gst::error_msg!(gst::ResourceError::Failed, ("no thread for loading models: {e}"))
        })?;
        if let Some(list) = &photos {
            loader.require(list);
        }
        (*lock(&self.interrupters), *lock(&self.unheard)) = ([None, None], None);
        *lock(&self.stats) = Stats::default();
        self.start_control();
        self.misses.store(0, Ordering::Relaxed);
        let used = neural.as_ref().map_or(Used::Mesh, |neural| neural.usage.engine());
        let flight = match settings.max_in_flight {
            0 => None,
            depth => {
                // While as many are in flight, others wait for their faces to share a run.
                let sharing = neural.as_ref().map_or(0, |neural| neural.frames_waiting());
                Some(Arc::new(Flight::new(depth as usize + sharing, self.misses.clone())))
            }
        };
        *lock(&self.flight) = flight.clone();
        *lock(&self.stream) = Some(Box::new(Stream::new(flight, used, self.misses.clone())));
        self.latency.store(0, Ordering::Relaxed);
        *lock(&self.loader) = Some(Arc::new(loader));
        let newest = lock(&self.settings).photos();
        if newest != photos {
            self.source_changed(newest.as_deref());
        }
        gst::info!(CAT, imp = self, "Started with {settings:?}");
        Ok(())
    }

    pub(super) fn tear_down(&self) {
        let loader = lock(&self.loader).take();
        let stream = lock(&self.stream).take();
        let flight = lock(&self.flight).take();
        drop((loader, stream, flight));
        give_back_memory();
        self.stop_control();
        gst::info!(CAT, imp = self, "Stopped");
    }

    /// Tells the worker of a new `source`.
    pub(super) fn source_changed(&self, source: Option<&str>) {
        let Some(loader) = self.loader() else { return };
        match source {
            Some(list) => loader.request(list),
            None => loader.cancel(),
        }
    }
}
