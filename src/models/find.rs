//! Where models are looked for, and the files of the default pack.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Card, ModelError, Origin, Role};
use crate::files;

/// Where this was built. Packages name no folder.
const BUILD: &str = match option_env!("GST_FACESWAP_BUILD_FOLDER") {
    Some(folder) => folder,
    None => env!("CARGO_MANIFEST_DIR"),
};

const DETECTOR: &str = "centerface.onnx";
const RECOGNIZER: &str = "mobilefacenet.onnx";
const LANDMARKER: &str = "face_mesh.onnx";
const OCCLUDER: &str = "xseg_1.onnx";
const PARSER: &str = "bisenet_resnet_34.onnx";

/// Which files of a kind are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wanted {
    #[default]
    None,
    /// The one that most people have, beside the swap network or in the folders.
    Usual,
    These(Vec<PathBuf>),
}

/// What the user chose; `None` means the default. Order of folders: `model_dir`,
/// `GST_FACESWAP_MODEL_DIR`, the user's data folder, the system's, the build's own `models/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    pub model_dir: Option<PathBuf>,
    pub detector_file: Option<PathBuf>,
    pub landmarker_file: Option<PathBuf>,
    /// A swap network; none for the mesh engine.
    pub swapper_file: Option<PathBuf>,
    /// In place of the recognizer that the swap network's card names.
    pub recognizer_file: Option<PathBuf>,
    /// Networks that see what lies before the face.
    pub occluders: Wanted,
    /// A network that tells the parts of a face; of several the first.
    pub parser: Wanted,
    /// A network that restores the detail of swapped faces.
    pub enhancer_file: Option<PathBuf>,
}

impl Search {
    /// The folders in the order in which they are looked at; each file comes from the first that
    /// has it.
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::with_capacity(4);
        folders.extend(self.model_dir.clone());
        folders.extend(env_path("GST_FACESWAP_MODEL_DIR"));
        let own = |data: PathBuf| data.join("gst-faceswap").join("models");
        folders.extend(data_folder().map(own));
        folders.extend(system_folders().into_iter().map(own).filter(|folder| folder.is_dir()));
        if !BUILD.is_empty() {
            let built = Path::new(BUILD).join("models");
            // Where the plugin came from elsewhere, anybody may have made a folder of that name.
            if !built.exists() || files::is_own(&built) {
                folders.push(built);
            }
        }
        folders
    }

    /// The ONNX Runtime library to load: `ORT_DYLIB_PATH`, else the first beside the models, else that of
    /// a package. `None` leaves it to the system's loader.
    pub fn runtime(&self) -> Option<PathBuf> {
        let beside = || {
            let folders = self.folders().into_iter().chain(library_folders());
            folders.map(|folder| folder.join(super::runtime::LIBRARY)).find(|path| path.is_file())
        };
        env_path("ORT_DYLIB_PATH").or_else(beside)
    }

    /// A model of the default pack, by file name.
    ///
    /// # Errors
    /// [`ModelError::Missing`] with every folder looked at; what [`Search::at`] says.
    pub fn named(&self, role: Role, file: &str) -> Result<Model, ModelError> {
        let folders = self.folders();
        match folders.iter().map(|folder| folder.join(file)).find(|path| path.is_file()) {
            Some(path) => self.at(role, &path),
            None => Err(ModelError::Missing { role, file: file.into(), looked_in: folders }),
        }
    }

    /// A model of the user's. Its card is the one beside it, else one of the same name in the
    /// folders, else the built-in one for the file's name, else told when the model is loaded.
    ///
    /// # Errors
    /// No such file; a card that cannot be parsed or is for another role.
    pub fn at(&self, role: Role, path: &Path) -> Result<Model, ModelError> {
        if !path.is_file() {
            return Err(ModelError::NoSuchFile { role, path: path.into() });
        }
        let card = self.card(path)?;
        if let Some(card) = card.as_ref().filter(|card| card.role != role) {
            let (path, card, is) = (path.into(), card.name.clone(), card.role);
            return Err(ModelError::WrongRole { path, card, role: is, wanted: role });
        }
        Ok(Model { path: path.into(), role, card, runtime: self.runtime() })
    }

    /// The swap network, `swapper_file`.
    ///
    /// # Errors
    /// As [`Search::at`].
    pub fn swapper(&self) -> Result<Model, ModelError> {
        self.at(Role::Swapper, self.swapper_file.as_deref().unwrap_or(Path::new("")))
    }

    /// The recognizer that tells people apart: `recognizer_file`, else the default pack's.
    ///
    /// # Errors
    /// As [`Search::named`] and [`Search::at`].
    pub fn recognizer(&self) -> Result<Model, ModelError> {
        match &self.recognizer_file {
            Some(path) => self.at(Role::Recognizer, path),
            None => self.named(Role::Recognizer, RECOGNIZER),
        }
    }

    /// The networks of the masks occlusion and region.
    ///
    /// # Errors
    /// As [`Search::at`] and [`Search::partner`].
    pub fn masks(&self) -> Result<(Vec<Model>, Option<Model>), ModelError> {
        let occluders = self.wanted(Role::Occluder, &self.occluders, OCCLUDER)?;
        let parser = self.wanted(Role::Parser, &self.parser, PARSER)?.into_iter().next();
        Ok((occluders, parser))
    }

    /// The enhancer, where one is named.
    ///
    /// # Errors
    /// As [`Search::at`].
    pub fn enhancer(&self) -> Result<Option<Model>, ModelError> {
        self.enhancer_file.as_deref().map(|path| self.at(Role::Enhancer, path)).transpose()
    }

    fn wanted(&self, role: Role, wanted: &Wanted, usual: &str) -> Result<Vec<Model>, ModelError> {
        let swapper = self.swapper_file.as_deref().unwrap_or(Path::new(""));
        match wanted {
            Wanted::None => Ok(Vec::new()),
            Wanted::Usual => Ok(vec![self.partner(role, swapper, usual)?]),
            Wanted::These(files) => files.iter().map(|file| self.at(role, file)).collect(),
        }
    }

    /// A model that the one at `path` needs: beside it, else in the folders, by the name `file` or, in
    /// the same place, another that the built-in card of that name is for.
    ///
    /// # Errors
    /// [`ModelError::NoPartner`], with where to get it and its licence; what [`Search::at`] says.
    pub fn partner(&self, role: Role, path: &Path, file: &str) -> Result<Model, ModelError> {
        let card = Card::by_file_name(file);
        let others = card.iter().flat_map(|card| card.files()).filter(|name| *name != file);
        let names: Vec<&str> = [file].into_iter().chain(others).collect();
        let beside = path.parent().map(Path::to_path_buf);
        let places = beside.into_iter().chain(self.folders());
        let mut files = places.flat_map(|folder| names.iter().map(move |name| folder.join(name)));
        if let Some(found) = files.find(|file| file.is_file()) {
            return self.at(role, &found);
        }
        let names = names.join(" or ");
        let partner = match &card {
            Some(card) => format!("{names}, from {}; its licence: {}", card.origin, card.licence),
            None => names,
        };
        Err(ModelError::NoPartner { role, path: path.into(), partner, looked_in: self.folders() })
    }

    /// Whether the swap network is there, and what its card says it needs: files only.
    ///
    /// # Errors
    /// Says what is missing, where to get it and under which licence.
    pub fn check_swapper(&self) -> Result<(), ModelError> {
        let model = self.swapper()?;
        let Some(card) = &model.card else { return self.masks().map(drop) };
        match (&card.source, &self.recognizer_file, &card.partners.recognizer) {
            (Some(Origin::Embedding { .. }), Some(path), _) => drop(self.at(Role::Recognizer, path)?),
            (_, _, Some(file)) => drop(self.partner(Role::Recognizer, &model.path, file)?),
            _ => {}
        }
        if let Some(file) = &card.partners.converter {
            self.partner(Role::Converter, &model.path, file)?;
        }
        self.masks().map(drop)
    }

    fn card(&self, path: &Path) -> Result<Option<Arc<Card>>, ModelError> {
        if let Some(card) = Card::beside(path)? {
            return Ok(Some(card));
        }
        let Some(name) = path.file_name() else { return Ok(None) };
        for folder in self.folders() {
            if let Some(card) = Card::beside(&folder.join(name))? {
                return Ok(Some(card));
            }
        }
        Ok(name.to_str().and_then(Card::by_file_name))
    }
}

/// A model file that exists, not yet loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub path: PathBuf,
    pub role: Role,
    /// `None` where neither a file nor the name tells; loading then goes by SHA-256 and by the
    /// graph's inputs and outputs.
    pub card: Option<Arc<Card>>,
    /// The ONNX Runtime to run it with, see [`Search::runtime`].
    pub runtime: Option<PathBuf>,
}

/// The default pack, found but not yet loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Pack {
    pub detector: Model,
    pub landmarker: Model,
}

impl Pack {
    /// Looks for files only: no ONNX Runtime call, no weight is read.
    ///
    /// # Errors
    /// Says which file is missing, where it was looked for, and names `make models`.
    pub fn find(search: &Search) -> Result<Pack, ModelError> {
        let find = |role, chosen: &Option<PathBuf>, default| match chosen {
            Some(path) => search.at(role, path),
            None => search.named(role, default),
        };
        Ok(Pack {
            detector: find(Role::Detector, &search.detector_file, DETECTOR)?,
            landmarker: find(Role::Landmarker, &search.landmarker_file, LANDMARKER)?,
        })
    }
}

fn env_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where packages put their data.
fn system_folders() -> Vec<PathBuf> {
    let usual = match cfg!(target_os = "macos") {
        true => "/opt/homebrew/share:/usr/local/share",
        false => "/usr/local/share:/usr/share",
    };
    let listed = env::var_os("XDG_DATA_DIRS").filter(|value| !value.is_empty());
    env::split_paths(&listed.unwrap_or_else(|| usual.into())).filter(|path| path.is_absolute()).collect()
}

/// Where packages put what belongs to one kind of machine, by where they put their data.
fn library_folders() -> impl Iterator<Item = PathBuf> {
    let triplet = format!("lib/{}-linux-gnu", env::consts::ARCH);
    let libraries = [triplet, "lib64".into(), "lib".into()];
    system_folders().into_iter().flat_map(move |data| {
        let prefix = data.parent().map(Path::to_owned).unwrap_or_default();
        libraries.clone().map(|library| prefix.join(library).join("gst-faceswap"))
    })
}

#[cfg(target_os = "macos")]
fn data_folder() -> Option<PathBuf> {
    Some(env_path("HOME")?.join("Library").join("Application Support"))
}

#[cfg(not(target_os = "macos"))]
fn data_folder() -> Option<PathBuf> {
    let xdg = env_path("XDG_DATA_HOME").filter(|path| path.is_absolute());
    xdg.or_else(|| Some(env_path("HOME")?.join(".local").join("share")))
}
