//! The table, and its numbers as JSON.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    measure::{Measured, Own, Person, Swapped, Target},
    scores,
};

/// Where a score is best.
#[derive(Clone, Copy)]
enum Best {
    High,
    Low,
    One,
}

/// Key, what is printed, decimals, where it is best, value of the untouched clip where that is known.
const METRICS: [(&str, &str, usize, Best, Option<f64>); 11] = [
    ("retrieval", "retrieval by the other photo, %", 1, Best::High, None),
    ("cosine", "cosine to the source photo", 3, Best::High, None),
    ("cosine-other", "cosine to the other photo", 3, Best::High, None),
    ("landmark-error", "landmark error, % of eye distance", 2, Best::Low, Some(0.0)),
    ("landmark-error-unshaped", "the same at shape=0", 2, Best::Low, Some(0.0)),
    ("flicker", "flicker, output over input", 3, Best::One, Some(1.0)),
    ("self-psnr", "self-swap PSNR, dB", 2, Best::High, None),
    ("self-ssim", "self-swap SSIM", 4, Best::High, None),
    ("relit-psnr", "relit self-swap PSNR, dB", 2, Best::High, None),
    ("relit-ssim", "relit self-swap SSIM", 4, Best::High, None),
    ("sharpness", "sharpness, output over input", 3, Best::One, Some(1.0)),
];

type Scores = BTreeMap<String, f64>;

/// Scores of every clip, swapped and untouched.
#[derive(Default)]
pub struct Report {
    clips: Vec<(String, Scores)>,
    untouched: Vec<Scores>,
    /// Cosine between the two photos of each person.
    pub pairs: Vec<f64>,
    people: BTreeMap<String, Vec<Likeness>>,
    worst: Vec<(f64, String)>,
}

/// Of one measured frame: taken for the person, taken for the target, cosine to either photo.
type Likeness = [f64; 4];

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), v| (sum + v, count + 1));
    if count > 0 { sum / f64::from(count) } else { f64::NAN }
}

impl Report {
    pub fn add(
        &mut self,
        target: &Target,
        people: &[Person],
        gallery: &[Vec<f32>],
        swapped: &[Swapped],
        own: &[Own; 2],
    ) {
        let mut retrieved = Vec::new();
        for (person, swapped) in people.iter().zip(swapped) {
            let is = |yes: bool| f64::from(u8::from(yes));
            let hit = |f: &Measured| is(f.nearest == Some(person.entry));
            let target = |f: &Measured| is(f.nearest == Some(gallery.len()));
            let likeness = swapped.frames.iter().map(|f| [hit(f), target(f), f.cosine, f.other]);
            retrieved.extend(swapped.frames.iter().map(hit));
            self.people.entry(person.name.clone()).or_default().extend(likeness);
        }
        let frames = || swapped.iter().flat_map(|s| &s.frames);
        let mut scores = Scores::new();
        let mut put = |key: &str, value: f64| scores.insert(key.into(), value);
        put("retrieval", 100.0 * mean(retrieved.into_iter()));
        put("cosine", mean(frames().map(|f| f.cosine)));
        put("cosine-other", mean(frames().map(|f| f.other)));
        put("landmark-error", mean(frames().map(|f| f.landmark)));
        put("landmark-error-unshaped", mean(frames().map(|f| f.unshaped)));
        put("sharpness", mean(frames().map(|f| f.sharpness)));
        put("flicker", mean(swapped.iter().map(|s| s.flicker)));
        for (own, [psnr, ssim]) in own.iter().zip([["self-psnr", "self-ssim"], ["relit-psnr", "relit-ssim"]])
        {
            put(psnr, mean(own.frames.iter().map(|f| scores::psnr(f.0))));
            put(ssim, mean(own.frames.iter().map(|f| f.1)));
            if own.skipped > 0 {
                eprintln!("{}: {psnr}: {} frames without a usable opposite", target.clip.name, own.skipped);
            }
        }
        self.clips.push((target.clip.name.clone(), scores));
        self.untouched(target, people, gallery);
        for (person, swapped) in people.iter().zip(swapped) {
            let name = |f: usize| format!("{} frame {f} with {}", target.clip.name, person.name);
            let text = |f: &Measured| {
                format!("{}: cosine {:.3}, landmark error {:.2} %", name(f.number), f.cosine, f.landmark)
            };
            // Likeness and expression in one number: 5 % of error counts as much as the whole cosine.
            self.worst.extend(swapped.frames.iter().map(|f| (f.landmark / 5.0 - f.cosine, text(f))));
        }
        self.worst.sort_by(|a, b| b.0.total_cmp(&a.0));
        self.worst.truncate(10);
    }

    fn untouched(&mut self, target: &Target, people: &[Person], gallery: &[Vec<f32>]) {
        let pairs = || people.iter().flat_map(|p| target.probes.iter().map(move |q| (p, &q.seen.embedding)));
        let nearest =
            |e: &[f32]| scores::nearest(e, gallery.iter().chain([&target.embedding]).map(Vec::as_slice));
        let hits = mean(pairs().map(|(p, e)| f64::from(u8::from(nearest(e) == Some(p.entry)))));
        self.untouched.push(Scores::from([
            ("retrieval".into(), 100.0 * hits),
            ("cosine".into(), mean(pairs().map(|(p, e)| scores::cosine(e, &p.seen.embedding)))),
            ("cosine-other".into(), mean(pairs().map(|(p, e)| scores::cosine(e, &gallery[p.entry])))),
        ]));
    }

    /// Mean over the clips, and the worst with its clip.
    fn summary(&self, key: &str, best: Best) -> (f64, f64, &str) {
        let loss = |v: f64| match best {
            Best::High => -v,
            Best::Low => v,
            Best::One => v.ln().abs(),
        };
        let values = self.clips.iter().filter_map(|(name, s)| s.get(key).map(|&v| (v, name.as_str())));
        let worst = values.clone().max_by(|a, b| loss(a.0).total_cmp(&loss(b.0)));
        let (value, name) = worst.unwrap_or((f64::NAN, "-"));
        (mean(values.map(|v| v.0)), value, name)
    }

    /// Mean over each person's frames.
    fn likeness(&self) -> impl Iterator<Item = (&str, Likeness)> {
        let of = |frames: &Vec<Likeness>| std::array::from_fn(|k| mean(frames.iter().map(|f| f[k])));
        self.people.iter().map(move |(name, frames)| (name.as_str(), of(frames)))
    }

    pub fn print(&self, earlier: Option<&Value>) {
        let pad = METRICS.iter().map(|m| m.1.len()).max().unwrap_or(0);
        let last = if earlier.is_some() { "   ×mean  ×worst" } else { "" };
        println!("{:pad$} {:>8} {:>8} {:12} {:>9}{last}", "", "mean", "worst", "in", "untouched");
        for (key, label, decimals, best, fixed) in METRICS {
            let (mean_value, worst, name) = self.summary(key, best);
            let known = self.untouched.iter().filter_map(|s| s.get(key).copied());
            let untouched = fixed.unwrap_or_else(|| mean(known));
            let untouched = match untouched.is_nan() {
                true => "-".into(),
                false => format!("{untouched:.decimals$}"),
            };
            print!("{label:pad$} {mean_value:8.decimals$} {worst:8.decimals$} {name:12} {untouched:>9}");
            if let Some(earlier) = earlier {
                let ratio = |now: f64, what: &str| {
                    let old = earlier["scores"][key][what].as_f64();
                    old.filter(|v| *v != 0.0).map_or("-".into(), |old| format!("{:.3}", now / old))
                };
                print!(" {:>8} {:>7}", ratio(mean_value, "mean"), ratio(worst, "worst"));
            }
            println!();
        }
        let pairs = mean(self.pairs.iter().copied());
        println!("{:pad$} {pairs:8.3}", "two real photos, cosine");
        println!("\nperson   retrieved %   taken for the target %   cosine to source   to the other photo");
        for (name, [hit, target, source, other]) in self.likeness() {
            println!("{name:8} {:11.1} {:24.1} {source:18.3} {other:20.3}", 100.0 * hit, 100.0 * target);
        }
        println!("\nworst frames:");
        self.worst.iter().for_each(|(_, text)| println!("  {text}"));
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        let scores: BTreeMap<&str, Value> = METRICS
            .iter()
            .map(|&(key, _, _, best, _)| {
                let (mean, worst, clip) = self.summary(key, best);
                (key, json!({ "mean": mean, "worst": worst, "worst-clip": clip }))
            })
            .collect();
        let clips: BTreeMap<&str, &Scores> = self.clips.iter().map(|(n, s)| (n.as_str(), s)).collect();
        let worst: Vec<&str> = self.worst.iter().map(|(_, text)| text.as_str()).collect();
        let all = json!({
            "scores": scores, "clips": clips, "people": self.likeness().collect::<BTreeMap<_, _>>(), "untouched": self.untouched,
            "two-photos": mean(self.pairs.iter().copied()), "worst-frames": worst,
        });
        fs::write(path, serde_json::to_string_pretty(&all)? + "\n")
            .with_context(|| path.display().to_string())
    }
}

/// What an earlier run saved.
pub fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}
