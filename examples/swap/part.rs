//! A finished segment in a file: the encoded frames in the order of decoding, then a trailer that says what they
//! are, with a checksum. A file without a sound trailer is no part.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MAGIC: [u8; 8] = *b"FSWPART1";

/// An encoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Nanoseconds of the video's stream.
    pub time: u64,
    pub key: bool,
    pub data: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trailer {
    pub caps: String,
    pub tags: String,
    pub frames: usize,
    /// Frames with a swapped face.
    pub swapped: u64,
    /// Milliseconds that the element took, over all frames.
    pub milliseconds: f64,
    pub sha256: String,
}

pub struct Writer {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    pub frames: usize,
}

impl Writer {
    /// Writes beside `path`, under a name that no other process takes.
    pub fn create(path: &Path) -> Result<Writer> {
        let part = path.with_extension(format!("{}.tmp", std::process::id()));
        let file = File::create(&part).with_context(|| part.display().to_string())?;
        Ok(Writer { path: path.into(), part, file: BufWriter::new(file), hash: Sha256::new(), frames: 0 })
    }

    pub fn push(&mut self, time: u64, key: bool, data: &[u8]) -> io::Result<()> {
        let length = u32::try_from(data.len()).map_err(io::Error::other)?;
        for bytes in [&time.to_le_bytes()[..], &[u8::from(key)], &length.to_le_bytes(), data] {
            self.hash.update(bytes);
            self.file.write_all(bytes)?;
        }
        self.frames += 1;
        Ok(())
    }

    /// Makes the file whole and gives it its name, at once.
    pub fn finish(mut self, trailer: Trailer) -> Result<()> {
        let sha256 = hex(&std::mem::take(&mut self.hash).finalize());
        let text = serde_json::to_vec(&Trailer { frames: self.frames, sha256, ..trailer })?;
        let mut write = || -> io::Result<()> {
            self.file.write_all(&text)?;
            self.file.write_all(&(text.len() as u32).to_le_bytes())?;
            self.file.write_all(&MAGIC)?;
            self.file.flush()?;
            self.file.get_ref().sync_all()?;
            fs::rename(&self.part, &self.path)
        };
        write().with_context(|| self.path.display().to_string())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.part);
    }
}

pub struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    hash: Sha256,
    left: usize,
    pub trailer: Trailer,
}

impl Reader {
    /// # Errors
    /// Not a whole part.
    pub fn open(path: &Path) -> Result<Reader> {
        let name = || path.display().to_string();
        let mut file = File::open(path).with_context(name)?;
        let whole = || format!("{} is no whole part; remove it and do it again", path.display());
        let trailer = trailer(&mut file).with_context(whole)?;
        file.rewind().with_context(name)?;
        let left = trailer.frames;
        Ok(Reader { path: path.into(), file: BufReader::new(file), hash: Sha256::new(), left, trailer })
    }

    /// The next frame; `None` after the last, when all of them are known to be as they were written.
    pub fn next(&mut self) -> Result<Option<Frame>> {
        let damaged = || format!("{} is damaged; remove it and do it again", self.path.display());
        if self.left == 0 {
            let hash = hex(&std::mem::take(&mut self.hash).finalize());
            ensure!(hash == self.trailer.sha256, damaged());
            return Ok(None);
        }
        self.left -= 1;
        let mut head = [0; 13];
        self.file.read_exact(&mut head).with_context(damaged)?;
        let (time, rest) = head.split_at(8);
        let length = u32::from_le_bytes(rest[1..].try_into()?);
        let mut data = Vec::new();
        (&mut self.file).take(length.into()).read_to_end(&mut data).with_context(damaged)?;
        ensure!(data.len() == length as usize, damaged());
        self.hash.update(head);
        self.hash.update(&data);
        Ok(Some(Frame { time: u64::from_le_bytes(time.try_into()?), key: rest[0] != 0, data }))
    }

    /// Times of all frames, in the order of decoding.
    pub fn times(path: &Path) -> Result<Vec<u64>> {
        let mut reader = Reader::open(path)?;
        let mut times = Vec::with_capacity(reader.left);
        let mut head = [0; 13];
        for _ in 0..reader.left {
            reader.file.read_exact(&mut head).with_context(|| path.display().to_string())?;
            times.push(u64::from_le_bytes(head[..8].try_into()?));
            reader.file.seek_relative(u32::from_le_bytes(head[9..].try_into()?).into())?;
        }
        Ok(times)
    }
}

fn trailer(file: &mut File) -> Result<Trailer> {
    let mut end = [0; 12];
    file.seek(SeekFrom::End(-(end.len() as i64)))?;
    file.read_exact(&mut end)?;
    ensure!(end[4..] == MAGIC, "it does not end as one");
    let length = u32::from_le_bytes(end[..4].try_into()?);
    file.seek(SeekFrom::End(-(end.len() as i64) - i64::from(length)))?;
    let mut text = Vec::new();
    file.take(length.into()).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
