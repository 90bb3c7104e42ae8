//! What the user chose, remembered from one run to the next.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Where the picture comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    Camera,
    File,
    #[default]
    Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    #[default]
    System,
    Dark,
    Light,
}

/// Where the swapped picture goes besides the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputKind {
    /// A v4l2 loopback device.
    VirtualCamera,
    /// A socket that `shmsrc` reads.
    SharedMemory,
    /// H.264 in RTP over UDP.
    Rtp,
    Whip,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Settings {
    pub input: InputKind,
    /// Name of the camera; empty: the first.
    pub camera: String,
    /// Video to play; it starts again at its end.
    pub file: String,
    /// Photo of the face to show; as the element's property `source`.
    pub photo: String,
    /// Swap network; empty: none.
    pub model: String,
    /// The element's properties that differ from its defaults, by name.
    pub properties: BTreeMap<String, String>,
    pub split: bool,
    /// Where the split is, 0–1 from the left.
    pub divider: f32,
    pub plots: bool,
    pub theme: Theme,
    pub output: Option<OutputKind>,
    /// Where each output goes: a device, a path, an address.
    pub addresses: BTreeMap<String, String>,
    /// Folder for recordings; empty: the current one.
    pub recordings: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            input: InputKind::default(),
            camera: String::new(),
            file: String::new(),
            photo: String::new(),
            model: String::new(),
            properties: BTreeMap::new(),
            split: false,
            divider: 0.5,
            plots: true,
            theme: Theme::default(),
            output: None,
            addresses: BTreeMap::new(),
            recordings: String::new(),
        }
    }
}

impl Settings {
    /// Where they are kept unless the command line says otherwise.
    pub fn path() -> PathBuf {
        let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let base = match env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()) {
            Some(folder) => folder.into(),
            None if cfg!(target_os = "macos") => home.join("Library/Application Support"),
            None => home.join(".config"),
        };
        base.join("faceswap-live/settings.json")
    }

    /// The defaults where nothing was kept yet.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn load(path: &Path) -> Result<Settings> {
        if !path.exists() {
            return Ok(Settings::default());
        }
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let read: Result<Settings, _> = serde_json::from_str(&text);
        let settings = read.with_context(|| format!("{}: these settings cannot be read", path.display()))?;
        Ok(Settings { divider: settings.divider.clamp(0.05, 0.95), ..settings })
    }

    /// Replaces the file in one step.
    pub fn save(&self, path: &Path) -> Result<()> {
        let write = || -> Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let part = path.with_extension("part");
            fs::write(&part, serde_json::to_string_pretty(self)? + "\n")?;
            Ok(fs::rename(part, path)?)
        };
        write().with_context(|| format!("{}: the settings cannot be kept", path.display()))
    }

    pub fn address(&self, kind: OutputKind) -> String {
        let kept = self.addresses.get(kind.key()).filter(|address| !address.is_empty());
        kept.cloned().unwrap_or_else(|| kind.usual_address())
    }
}

impl OutputKind {
    pub const ALL: [OutputKind; 4] =
        [OutputKind::VirtualCamera, OutputKind::SharedMemory, OutputKind::Rtp, OutputKind::Whip];

    pub const fn key(self) -> &'static str {
        match self {
            OutputKind::VirtualCamera => "virtual-camera",
            OutputKind::SharedMemory => "shared-memory",
            OutputKind::Rtp => "rtp",
            OutputKind::Whip => "whip",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            OutputKind::VirtualCamera => "Virtual camera",
            OutputKind::SharedMemory => "Shared memory",
            OutputKind::Rtp => "RTP",
            OutputKind::Whip => "WHIP",
        }
    }

    fn usual_address(self) -> String {
        match self {
            OutputKind::VirtualCamera => String::new(),
            OutputKind::SharedMemory => env::temp_dir().join("faceswap-live.sock").display().to_string(),
            OutputKind::Rtp => "127.0.0.1:5004".into(),
            OutputKind::Whip => "http://localhost:8889/faceswap/whip".into(),
        }
    }
}
