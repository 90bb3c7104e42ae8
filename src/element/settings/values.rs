//! The values by the properties' names.

use glib::prelude::*;

use super::{
    super::enums::{ColourMatch, Masks, OnLost, Owner, Quality, Select},
    DEFAULT_PADDING, Settings,
};
use crate::engine::split_map;

impl Settings {
    /// `None` for a property that cannot be read here.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        let p = &self.params;
        Some(match name {
            "source" => self.source.to_value(),
            "engine" => self.engine.to_value(),
            "model-dir" => self.model_dir.to_value(),
            "detector-file" => self.detector_file.to_value(),
            "landmarker-file" => self.landmarker_file.to_value(),
            "model-file" => self.model_file.to_value(),
            "recognizer-file" => self.recognizer_file.to_value(),
            "occluder-file" => self.occluder_file.to_value(),
            "parser-file" => self.parser_file.to_value(),
            "enhancer-file" => self.enhancer_file.to_value(),
            "reference" => self.reference.to_value(),
            "face-map" => self.face_map.to_value(),
            "reference-distance" => decimal(p.reference_distance).to_value(),
            "model-cache-dir" => self.model_cache_dir.to_value(),
            "execution-provider" => self.execution_provider.to_value(),
            "execution-provider-library" => self.execution_provider_library.to_value(),
            "device" => self.device.to_value(),
            "batch-size" => self.batch_size.to_value(),
            "masks" => Masks::from(p.masks).to_value(),
            "pixel-boost" => (p.pixel_boost as u32).to_value(),
            "enhancer-interval" => p.enhancer_interval.to_value(),
            "swap-weight" => decimal(p.swap_weight).to_value(),
            "threads" => self.threads.to_value(),
            "max-memory" => self.max_memory.to_value(),
            "max-in-flight" => self.max_in_flight.to_value(),
            "quality" => Quality::from(p.quality).to_value(),
            "auto-quality" => self.auto_quality.to_value(),
            "target-fps" => self.target_fps.to_value(),
            "select" => Select::from(p.select).to_value(),
            "max-faces" => (p.max_faces as u32).to_value(),
            "detection-threshold" => decimal(p.detection_threshold).to_value(),
            "detection-interval" => p.detection_interval.to_value(),
            "opacity" => decimal(p.opacity).to_value(),
            "shape" => decimal(p.shape).to_value(),
            "sharpness" => decimal(p.sharpness).to_value(),
            "smoothing" => decimal(p.smoothing).to_value(),
            "mask-blur" => decimal(p.mask_blur).to_value(),
            "mask-padding" => self.mask_padding.to_value(),
            "mouth" => Owner::from(p.mouth).to_value(),
            "eyes" => Owner::from(p.eyes).to_value(),
            "colour-match" => ColourMatch::from(p.colour_match).to_value(),
            "on-lost" => OnLost::from(p.on_lost).to_value(),
            "deterministic" => self.deterministic.to_value(),
            "mark" => self.mark.to_value(),
            "meta" => self.meta.to_value(),
            "stats-interval" => self.stats_interval.to_value(),
            _ => return None,
        })
    }

    /// # Errors
    /// Says why the value cannot be used; the setting is then as it was.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), String> {
        let p = &mut self.params;
        match name {
            "source" => self.source = text(name, value)?,
            "engine" => self.engine = read(name, value)?,
            "model-dir" => self.model_dir = text(name, value)?,
            "detector-file" => self.detector_file = text(name, value)?,
            "landmarker-file" => self.landmarker_file = text(name, value)?,
            "model-file" => self.model_file = text(name, value)?,
            "recognizer-file" => self.recognizer_file = text(name, value)?,
            "occluder-file" => self.occluder_file = text(name, value)?,
            "parser-file" => self.parser_file = text(name, value)?,
            "enhancer-file" => self.enhancer_file = text(name, value)?,
            "reference" => self.reference = text(name, value)?,
            "face-map" => {
                let map = text(name, value)?;
                let pairs = split_map(map.as_deref().unwrap_or_default());
                let any = !pairs.map_err(|e| format!("face-map: {e}"))?.is_empty();
                self.face_map = map.filter(|_| any);
            }
            "reference-distance" => p.reference_distance = read::<f64>(name, value)? as f32,
            "model-cache-dir" => self.model_cache_dir = text(name, value)?,
            "execution-provider" => self.execution_provider = read(name, value)?,
            "execution-provider-library" => self.execution_provider_library = text(name, value)?,
            "device" => self.device = text(name, value)?,
            "batch-size" => self.batch_size = read(name, value)?,
            "masks" => p.masks = read::<Masks>(name, value)?.into(),
            "pixel-boost" => p.pixel_boost = read::<u32>(name, value)? as usize,
            "enhancer-interval" => p.enhancer_interval = read(name, value)?,
            "swap-weight" => p.swap_weight = read::<f64>(name, value)? as f32,
            "threads" => self.threads = read(name, value)?,
            "max-memory" => self.max_memory = read(name, value)?,
            "max-in-flight" => self.max_in_flight = read(name, value)?,
            "quality" => p.quality = read::<Quality>(name, value)?.into(),
            "auto-quality" => self.auto_quality = read(name, value)?,
            "target-fps" => self.target_fps = read(name, value)?,
            "select" => p.select = read::<Select>(name, value)?.into(),
            "max-faces" => p.max_faces = read::<u32>(name, value)? as usize,
            "detection-threshold" => p.detection_threshold = read::<f64>(name, value)? as f32,
            "detection-interval" => p.detection_interval = read(name, value)?,
            "opacity" => p.opacity = read::<f64>(name, value)? as f32,
            "shape" => p.shape = read::<f64>(name, value)? as f32,
            "sharpness" => p.sharpness = read::<f64>(name, value)? as f32,
            "smoothing" => p.smoothing = read::<f64>(name, value)? as f32,
            "mask-blur" => p.mask_blur = read::<f64>(name, value)? as f32,
            "mask-padding" => {
                let list = text(name, value)?.unwrap_or_else(|| DEFAULT_PADDING.into());
                p.mask_padding = parse_padding(&list)?;
                self.mask_padding = list;
            }
            "mouth" => p.mouth = read::<Owner>(name, value)?.into(),
            "eyes" => p.eyes = read::<Owner>(name, value)?.into(),
            "colour-match" => p.colour_match = read::<ColourMatch>(name, value)?.into(),
            "on-lost" => p.on_lost = read::<OnLost>(name, value)?.into(),
            "deterministic" => self.deterministic = read(name, value)?,
            "mark" => self.mark = read(name, value)?,
            "meta" => self.meta = read(name, value)?,
            "stats-interval" => self.stats_interval = read(name, value)?,
            _ => return Err(format!("no property {name} can be set")),
        }
        Ok(())
    }
}

fn read<'v, T>(name: &str, value: &'v glib::Value) -> Result<T, String>
where
    T: glib::value::FromValue<'v>,
    <T::Checker as glib::value::ValueTypeChecker>::Error: std::fmt::Display,
{
    value.get().map_err(|e| format!("property {name}: {e}"))
}

/// An empty string is no string.
fn text(name: &str, value: &glib::Value) -> Result<Option<String>, String> {
    Ok(read::<Option<String>>(name, value)?.filter(|s| !s.is_empty()))
}

pub(super) fn parse_padding(list: &str) -> Result<[f32; 4], String> {
    let wrong =
        || format!("mask-padding is {list:?}; give four percentages from 0 to 100: top,right,bottom,left");
    let mut padding = [0.0; 4];
    let mut parts = list.split(',');
    for side in &mut padding {
        let value: f32 = parts.next().and_then(|p| p.trim().parse().ok()).ok_or_else(wrong)?;
        if !(0.0..=100.0).contains(&value) {
            return Err(wrong());
        }
        *side = value;
    }
    if parts.next().is_some() { Err(wrong()) } else { Ok(padding) }
}

/// The decimal number that the user wrote, which `f64::from` would not give back.
pub(super) fn decimal(value: f32) -> f64 {
    (f64::from(value) * 1e6).round() / 1e6
}
