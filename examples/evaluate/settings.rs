//! Engine settings by the names of the element's properties.

use anyhow::{Context, Result, bail};
use gstfaceswap::engine::{ColourMatch, Owner, Params, Quality};

/// Sets what `setting`, `name=value`, says.
pub fn apply(params: &mut Params, setting: &str) -> Result<()> {
    let (name, value) = setting.split_once('=').with_context(|| format!("--set {setting}: no ="))?;
    let number = || value.parse::<f32>().with_context(|| format!("--set {setting}: not a number"));
    match name {
        "opacity" => params.opacity = number()?,
        "shape" => params.shape = number()?,
        "sharpness" => params.sharpness = number()?,
        "smoothing" => params.smoothing = number()?,
        "mask-blur" => params.mask_blur = number()?,
        "detection-threshold" => params.detection_threshold = number()?,
        "mouth" => params.mouth = one_of(setting, value, &OWNERS)?,
        "eyes" => params.eyes = one_of(setting, value, &OWNERS)?,
        "colour-match" => params.colour_match = one_of(setting, value, &COLOURS)?,
        "quality" => params.quality = one_of(setting, value, &QUALITIES)?,
        _ => bail!("--set {setting}: no such setting here"),
    }
    Ok(())
}

const OWNERS: [(&str, Owner); 2] = [("source", Owner::Source), ("target", Owner::Target)];
const COLOURS: [(&str, ColourMatch); 3] =
    [("none", ColourMatch::None), ("mean", ColourMatch::Mean), ("light", ColourMatch::Light)];
const QUALITIES: [(&str, Quality); 3] =
    [("performance", Quality::Performance), ("balanced", Quality::Balanced), ("quality", Quality::Quality)];

fn one_of<T: Copy>(setting: &str, value: &str, choices: &[(&str, T)]) -> Result<T> {
    let found = choices.iter().find(|(name, _)| *name == value);
    found.map(|(_, choice)| *choice).with_context(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        format!("--set {setting}: one of {}", names.join(", "))
    })
}
