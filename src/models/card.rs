//! Model cards: what a model is for, what goes in, what comes out and how to read it.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use serde::Deserialize;

use super::{ModelError, Role};
use crate::files;

/// Bytes of a card at most.
const MOST_BYTES: u64 = 1 << 20;

/// A card as its TOML file has it: `docs/cards.md` tells which roles need what.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    pub name: String,
    pub role: Role,
    /// Detectors: which arithmetic turns the outputs into faces, such as `centerface`. Others are read
    /// by their role alone, and this only names what they are.
    pub family: String,
    /// The file's usual name.
    pub file: String,
    /// Other files that this card is for.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Of known files, in lower-case hexadecimal. Empty where none is known.
    #[serde(default)]
    pub sha256: Vec<String>,
    pub licence: String,
    /// What else the user should know about the licence.
    pub note: Option<String>,
    #[serde(default)]
    pub origin: String,
    /// Alignment template of the crop that goes in, such as `arcface_112_v2`.
    pub template: Option<String>,
    /// Recognizers: 1 − cosine above which two faces are two people, 0–2.
    pub distance: Option<f32>,
    /// Several images in one run are faster on a CPU as well. Most networks' are not.
    #[serde(default)]
    pub batches_on_cpu: bool,
    /// Other files that a swapper needs, by name.
    #[serde(default)]
    pub partners: Partners,
    /// Swappers: what goes into the input `source`.
    pub source: Option<Origin>,
    #[serde(rename = "input")]
    pub inputs: Vec<Tensor>,
    #[serde(rename = "output")]
    pub outputs: Vec<Tensor>,
    #[serde(default)]
    pub preprocess: Preprocess,
    #[serde(default)]
    pub postprocess: Postprocess,
    #[serde(default)]
    pub decode: Decode,
}

/// Models that work together with one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Partners {
    pub recognizer: Option<String>,
    /// Embedding converter.
    pub converter: Option<String>,
}

/// How the photo of the person put in becomes the input `source` of a swapper.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Origin {
    /// The recognizer's embedding, converted where there is a converter among the partners.
    Embedding {
        /// Multiplied by the graph's last initializer, a square matrix.
        #[serde(default)]
        emap: bool,
        /// Divided by its norm at last.
        #[serde(default)]
        unit: bool,
    },
    /// The aligned photo, RGB, divided by 255.
    Image { template: String, size: u32 },
}

/// How a swapper's or enhancer's output becomes pixels: `x · std + mean`, clipped to 0–1, is R, G, B.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Postprocess {
    pub mean: PerChannel,
    pub std: PerChannel,
}

impl Default for Postprocess {
    fn default() -> Self {
        Postprocess { mean: PerChannel::Same(0.0), std: PerChannel::Same(1.0) }
    }
}

/// One input or output of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// `?` stands for any name: the tensor is then told by its position.
    pub name: String,
    pub shape: Vec<Dim>,
    /// Element type; `float` stands for 32 or 16 bits.
    #[serde(rename = "type", default = "float32")]
    pub kind: String,
}

fn float32() -> String {
    "float32".into()
}

/// One dimension of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Dim {
    Fixed(i64),
    Free(String),
}

/// How pixels become the input: `(x − mean) / std` with x in 0–255.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preprocess {
    pub layout: Layout,
    pub channels: Channels,
    /// In the order of `channels`.
    pub mean: PerChannel,
    pub std: PerChannel,
    /// Side of a square input in pixels, where it is fixed.
    pub size: Option<u32>,
    /// What width and height must be multiples of, where they are free.
    pub multiple_of: Option<u32>,
    /// Side of the square crop over the longer side of the face's box.
    pub crop: Option<f32>,
}

impl Default for Preprocess {
    fn default() -> Self {
        Preprocess {
            layout: Layout::Nchw,
            channels: Channels::Rgb,
            mean: PerChannel::Same(0.0),
            std: PerChannel::Same(1.0),
            size: None,
            multiple_of: None,
            crop: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    Nchw,
    Nhwc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    Rgb,
    Bgr,
}

/// One number for all channels, or one each.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum PerChannel {
    Same(f32),
    Each([f32; 3]),
}

impl PerChannel {
    pub fn values(self) -> [f32; 3] {
        match self {
            PerChannel::Same(v) => [v; 3],
            PerChannel::Each(v) => v,
        }
    }
}

/// Numbers that the decoder of a family needs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Decode {
    /// Score at which a candidate counts, 0–1 (a logit where the card says so).
    pub score_threshold: Option<f32>,
    /// Overlap (intersection over union) above which the weaker box goes, 0–1.
    pub nms_threshold: Option<f32>,
    /// Input pixels a cell of each output map, finest first.
    pub strides: Vec<u32>,
    /// Anchors a cell, by stride.
    pub anchors: Vec<u32>,
    /// Side of the canvas over that of the picture, for detectors that miss close-ups.
    pub padding: Option<f32>,
    /// Points a face.
    pub landmarks: Option<u32>,
    /// Parsers: outputs that belong to the face.
    pub classes: Vec<usize>,
    /// Enhancers with an input `weight`: what goes in there, 0–1.
    pub weight: Option<f32>,
}

impl Card {
    /// `path` only names the card in the error.
    ///
    /// # Errors
    /// Not TOML, a field missing, unknown or of the wrong type, a normalisation that divides by zero.
    pub fn parse(text: &str, path: &Path) -> Result<Card, ModelError> {
        let error = |reason: String| ModelError::Card { path: path.into(), reason };
        let card: Card = toml::from_str(text).map_err(|e| error(e.to_string().trim().replace('\n', " ")))?;
        let (mean, std) = (card.preprocess.mean.values(), card.preprocess.std.values());
        if mean.iter().any(|v| !v.is_finite()) || std.iter().any(|v| !v.is_finite() || *v == 0.0) {
            return Err(error("preprocess: mean must be finite, std finite and not 0".into()));
        }
        Ok(card)
    }

    /// Names of files that it is for, the usual one first.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        [&self.file].into_iter().chain(&self.aliases).map(String::as_str)
    }

    /// The licence, with what else there is to know about it.
    pub fn licence_and_note(&self) -> String {
        match &self.note {
            Some(note) => format!("{} ({note})", self.licence),
            None => self.licence.clone(),
        }
    }

    /// The card for `file` that its user wrote: the same name ending in `.toml`, if there is one.
    ///
    /// # Errors
    /// The card is there and cannot be read or parsed.
    pub fn beside(file: &Path) -> Result<Option<Arc<Card>>, ModelError> {
        let path = file.with_extension("toml");
        match files::read_text(&path, MOST_BYTES) {
            Ok(text) => Card::parse(&text, &path).map(|card| Some(Arc::new(card))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(ModelError::Card { path, reason: e.to_string() }),
        }
    }

    /// The built-in card for a file name.
    pub fn by_file_name(name: &str) -> Option<Arc<Card>> {
        BUILT_IN.iter().find(|card| card.files().any(|file| file == name)).cloned()
    }

    /// The cards that come with the plugin.
    pub fn built_in() -> &'static [Arc<Card>] {
        &BUILT_IN
    }
}

macro_rules! cards {
    ($($file:literal),* $(,)?) => {
        [$(($file, include_str!(concat!("../../models/", $file)))),*]
    };
}

const TEXTS: [(&str, &str); 29] = cards![
    "centerface.toml",
    "face_mesh.toml",
    "mobilefacenet.toml",
    "palm_detection.toml",
    "hand_landmark.toml",
    "scrfd.toml",
    "scrfd_10g.toml",
    "yunet.toml",
    "arcface_w600k_r50.toml",
    "crossface_ghost.toml",
    "crossface_hififace.toml",
    "crossface_simswap.toml",
    "inswapper_128.toml",
    "inswapper_128_fp16.toml",
    "hyperswap_256.toml",
    "simswap_256.toml",
    "simswap_unofficial_512.toml",
    "ghost_256.toml",
    "hififace_unofficial_256.toml",
    "uniface_256.toml",
    "blendswap_256.toml",
    "xseg.toml",
    "bisenet.toml",
    "gfpgan.toml",
    "codeformer.toml",
    "gpen_256.toml",
    "gpen_512.toml",
    "gpen_1024.toml",
    "gpen_2048.toml",
];

static BUILT_IN: LazyLock<Vec<Arc<Card>>> = LazyLock::new(|| {
    TEXTS.iter().filter_map(|(file, text)| Card::parse(text, Path::new(file)).ok()).map(Arc::new).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_card_parses() {
        for (file, text) in TEXTS {
            if let Err(e) = Card::parse(text, Path::new(file)) {
                panic!("{e}");
            }
        }
    }

    #[test]
    fn bad_cards_say_what_is_wrong() {
        let path = Path::new("x/card.toml");
        let missing = Card::parse("name = 'a'", path).unwrap_err().to_string();
        assert!(missing.contains("x/card.toml") && missing.contains("missing field"), "{missing}");
        let text = TEXTS[0].1.replace("[preprocess]", "[preprocess]\nstd = 0.0\n#");
        let zero = Card::parse(&text, path).unwrap_err().to_string();
        assert!(zero.contains("std") || zero.contains("duplicate"), "{zero}");
    }

    #[test]
    fn a_field_that_is_none_is_named_and_all_that_are_stand_in_the_docs() {
        let docs = include_str!("../../docs/cards.md");
        for (before, table, fields) in [
            ("", "", 19),
            ("[partners]", "partners.", 2),
            ("[source]\nfrom = 'embedding'", "source.", 2),
            ("[source]\nfrom = 'image'", "source.", 2),
            ("[[input]]", "input.", 3),
            ("[[output]]", "output.", 3),
            ("[preprocess]", "preprocess.", 7),
            ("[postprocess]", "postprocess.", 2),
            ("[decode]", "decode.", 8),
        ] {
            let text = format!("{before}\ntypo = 1\n");
            let error = Card::parse(&text, Path::new("x/card.toml")).unwrap_err().to_string();
            let (_, known) = error.split_once("unknown field `typo`, expected").expect(&error);
            let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
            assert_eq!(known.len(), fields, "{error}");
            for field in known {
                let row = format!("\n| `{table}{field}` |");
                let is_told = docs.contains(&row) || docs.contains(&format!("\n| `{field}."));
                assert!(is_told, "docs/cards.md has no row for {table}{field}");
            }
        }
    }
}
