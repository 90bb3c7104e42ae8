//! One video from beginning to end: cut into segments, each done or found done, then joined under the final name.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    args::Args,
    encoder::{self, Encoding},
    exit::{Exit, OrExit, Outcome, fail},
    join::{self, Join, Sum},
    movie::Movie,
    mp4,
    part::{Reader, hex},
    plan::{self, Segment},
    segment::{End, Event, Work},
    show::Show,
    swapper::Swapper,
};

/// All that decides what the parts hold. Parts of another ticket do not belong to the job.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Ticket {
    version: String,
    target: String,
    source: Vec<String>,
    swap: Vec<(String, String)>,
    encoder: Vec<(String, String)>,
    segments: Vec<Segment>,
}

pub struct Job<'a> {
    args: &'a Args,
    output: PathBuf,
    folder: PathBuf,
    movie: Movie,
    range: Range<u64>,
    encoding: Encoding,
    ticket: Ticket,
}

/// What became of a job.
pub enum Done {
    Joined(Sum),
    /// One segment of several, for a later join.
    Segment,
    /// A playable file of what was finished, and the time it reaches to.
    Partial(PathBuf, u64),
}

impl<'a> Job<'a> {
    /// Reads the target and settles how it is done; nothing is written.
    pub fn plan(
        args: &'a Args,
        target: &Path,
        output: &Path,
        settings: &[(String, String)],
    ) -> Outcome<Job<'a>> {
        let encoding = encoder::choose(args, output)?;
        let movie = Movie::read(target)?;
        let range = range(args, &movie)?;
        let graft = grafts(&range, target, output);
        if !graft {
            join::holds(&movie, encoding.muxer)?;
        }
        let packets = movie.video.packets();
        let segments = match movie.is_timed() {
            true => plan::segments(packets, &range, (args.segment * 1e9) as u64),
            false if args.start.is_some() || args.end.is_some() => {
                let name = target.display();
                return fail(
                    Exit::Target,
                    format!(
                        "{name}: its frames have no times of their own, so it cannot be cut by --start and --end"
                    ),
                );
            }
            false => vec![plan::whole(packets)],
        };
        if segments.is_empty() {
            return fail(
                Exit::Usage,
                format!("{}: no frame lies between --start and --end", target.display()),
            );
        }
        let source = args.source.iter().map(|photo| fingerprint(photo)).collect::<Outcome<_>>()?;
        let mut encoder = vec![(encoding.factory.clone(), encoding.muxer.to_owned())];
        encoder.extend(encoding.properties.iter().cloned());
        let ticket = Ticket {
            version: env!("CARGO_PKG_VERSION").into(),
            target: fingerprint(target)?,
            source,
            swap: settings.to_vec(),
            encoder,
            segments,
        };
        let folder = beside(output, ".parts");
        Ok(Job { args, output: output.into(), folder, movie, range, encoding, ticket })
    }

    pub fn segments(&self) -> usize {
        self.ticket.segments.len()
    }

    fn part(&self, index: usize) -> PathBuf {
        self.folder.join(format!("{index:05}.part"))
    }

    /// Does what is not done yet.
    pub fn run(&self, swapper: &Swapper, stop: &Arc<AtomicBool>, show: &mut Show) -> Outcome<Done> {
        self.open()?;
        let upright = !self.grafts();
        let work = Work { movie: &self.movie, swapper, encoding: &self.encoding, stop, upright };
        let wanted = match self.args.only {
            Some(only) if only >= self.segments() => {
                return fail(
                    Exit::Usage,
                    format!("--only {only}: there are {} segments, counted from 0", self.segments()),
                );
            }
            Some(only) => only..only + 1,
            None => 0..self.segments(),
        };
        show.begin(&self.output, self.frames_of(&wanted));
        for index in wanted {
            let segment = &self.ticket.segments[index];
            if Reader::open(&self.part(index)).is_ok() {
                show.already(segment.frames);
                continue;
            }
            if stop.load(Relaxed) {
                return self.partial(index, None);
            }
            let cut = self.folder.join(format!("{index:05}.{}.cut", std::process::id()));
            let ended = work.segment(segment, &cut, &mut |event| {
                match event {
                    Event::Frames(frames) => show.frames(frames),
                    Event::Message(message) => show.message(message),
                }
                Ok(())
            })?;
            if ended == End::Stopped {
                return self.partial(index, Some(cut));
            }
            fs::rename(&cut, self.part(index)).or_exit(Exit::Output, cut.display())?;
            show.segment_done(segment.frames, Reader::open(&self.part(index))?.trailer.frames);
        }
        if self.args.only.is_some() {
            return Ok(Done::Segment);
        }
        show.joining();
        let parts: Vec<PathBuf> = (0..self.segments()).map(|index| self.part(index)).collect();
        let sum = self.join(&parts, self.range.clone(), &self.output, &mut || Ok(()))?;
        fs::remove_dir_all(&self.folder).or_exit(Exit::Output, self.folder.display())?;
        Ok(Done::Joined(sum))
    }

    fn frames_of(&self, wanted: &Range<usize>) -> usize {
        self.ticket.segments[wanted.clone()].iter().map(|segment| segment.frames).sum()
    }

    /// The folder of parts, of this job and no other.
    fn open(&self) -> Outcome<()> {
        let note = self.folder.join("job.json");
        let name = self.folder.display();
        if self.folder.exists() && self.args.force {
            fs::remove_dir_all(&self.folder).or_exit(Exit::Output, &name)?;
        } else if self.folder.exists() && !self.args.resume && self.args.only.is_none() {
            return fail(
                Exit::Exists,
                format!("{name} holds unfinished work: --resume goes on with it, --force begins anew"),
            );
        }
        fs::create_dir_all(&self.folder).or_exit(Exit::Output, format!("{name} cannot be made"))?;
        let ticket = serde_json::to_string_pretty(&self.ticket)?;
        let own = self.folder.join(format!("job.{}.tmp", std::process::id()));
        fs::write(&own, &ticket).or_exit(Exit::Output, own.display())?;
        // Several may begin at once: the first one's note holds.
        let linked = fs::hard_link(&own, &note);
        fs::remove_file(&own).or_exit(Exit::Output, own.display())?;
        match linked {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).or_exit(Exit::Output, note.display());
            }
            Err(_) => {}
        }
        let there = fs::read_to_string(&note).or_exit(Exit::Output, note.display())?;
        if serde_json::from_str::<Ticket>(&there).ok().as_ref() != Some(&self.ticket) {
            return fail(
                Exit::Exists,
                format!(
                    "{name} holds unfinished work of another target, source or setting: --force begins anew"
                ),
            );
        }
        Ok(())
    }

    fn grafts(&self) -> bool {
        grafts(&self.range, &self.movie.path, &self.output)
    }

    /// Joins parts under a name of their own, which only a whole file gets.
    fn join(
        &self,
        parts: &[PathBuf],
        range: Range<u64>,
        output: &Path,
        tick: &mut dyn FnMut() -> Outcome<()>,
    ) -> Outcome<Sum> {
        let part = beside(output, ".part");
        let join = Join { movie: &self.movie, parts, range: range.clone(), muxer: self.encoding.muxer };
        let joined = match grafts(&range, &self.movie.path, output) {
            true => {
                let video = self.folder.join("video");
                join.write(&video, false, tick).and_then(|sum| {
                    mp4::graft(&self.movie.path, &video, &part).or_exit(Exit::Output, part.display())?;
                    Ok(sum)
                })
            }
            false => join.write(&part, true, tick),
        };
        let sum = joined.inspect_err(|_| drop(fs::remove_file(&part)))?;
        fs::rename(&part, output).or_exit(Exit::Output, output.display())?;
        Ok(sum)
    }

    /// A whole file of the segments before `index` and what there is of that one.
    fn partial(&self, index: usize, cut: Option<PathBuf>) -> Outcome<Done> {
        let begun = cut.clone().filter(|cut| Reader::open(cut).is_ok_and(|reader| reader.trailer.frames > 0));
        let mut parts: Vec<PathBuf> = (0..index).map(|index| self.part(index)).collect();
        let mut end = self.ticket.segments[index].start;
        if let Some(begun) = &begun {
            let last = Reader::times(begun)?.into_iter().max().unwrap_or_default();
            let packet = self.movie.video.packets().iter().find(|packet| packet.time == Some(last));
            end = last + packet.and_then(|packet| packet.duration).unwrap_or(1);
            parts.push(begun.clone());
        }
        if parts.is_empty() || self.args.only.is_some() {
            let _ = cut.map(fs::remove_file);
            return fail(Exit::Stopped, "stopped; --resume goes on");
        }
        let extension = self.output.extension().unwrap_or_default().to_string_lossy();
        let output = self.output.with_extension(format!("partial.{extension}"));
        self.join(&parts, self.range.start..end, &output, &mut || Ok(()))?;
        let _ = cut.map(fs::remove_file);
        Ok(Done::Partial(output, end - self.range.start))
    }
}

/// Whether the target's tracks are taken over as they lie in the file.
fn grafts(range: &Range<u64>, target: &Path, output: &Path) -> bool {
    let muxer = encoder::muxer(output);
    let quicktime = target.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mov"));
    let family = muxer == Some("qtmux") || (muxer == Some("mp4mux") && !quicktime);
    family && *range == (0..u64::MAX) && mp4::can_graft(target)
}

fn range(args: &Args, movie: &Movie) -> Outcome<Range<u64>> {
    let range = args.start.unwrap_or(0)..args.end.unwrap_or(u64::MAX);
    if range.start >= range.end {
        return fail(Exit::Usage, "--end must be later than --start");
    }
    if range.start >= movie.end() && range.start > 0 {
        let end = movie.end() as f64 / 1e9;
        return fail(Exit::Usage, format!("--start: {} ends at {end:.1} s", movie.path.display()));
    }
    Ok(range)
}

/// A name beside a file: `out.mp4` and `.part` give `out.mp4.part`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Of a file's content: its length and the hash of its first and last MiB; a folder's is its name's.
fn fingerprint(path: &Path) -> Outcome<String> {
    use std::io::{Read, Seek, SeekFrom};
    let name = path.display();
    if path.is_dir() {
        return Ok(name.to_string());
    }
    let mut file = fs::File::open(path).or_exit(Exit::Target, &name)?;
    let length = file.metadata().or_exit(Exit::Target, &name)?.len();
    let mut hash = Sha256::new();
    for from in [0, length.saturating_sub(1 << 20)] {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from)).or_exit(Exit::Target, &name)?;
        (&mut file).take(1 << 20).read_to_end(&mut bytes).or_exit(Exit::Target, &name)?;
        hash.update(&bytes);
    }
    Ok(format!("{length} {}", hex(&hash.finalize())))
}
