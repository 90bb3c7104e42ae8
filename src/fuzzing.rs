//! What `fuzz/` and the tests drive: each takes any bytes and must neither panic nor read, write or
//! allocate what it should not. Not for use.

pub use crate::{
    element::fuzzing::{caps, properties},
    engine::fuzzing::{frame, image, outputs, strings},
    models::fuzzing::{card, onnx},
};

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    type Entry = fn(&[u8]);

    /// Name of the corpus, entry, and how many random inputs it gets here.
    const ENTRIES: [(&str, Entry, u64); 7] = [
        ("cards", super::card, 2000),
        ("onnx", super::onnx, 4000),
        ("images", super::image, 400),
        ("frames", super::frame, 250),
        ("caps", super::caps, 1500),
        ("outputs", super::outputs, 200),
        (
            "strings",
            |data| {
                super::strings(data);
                super::properties(data);
            },
            2000,
        ),
    ];

    fn random(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    /// Of the `index`th input: often bytes of a corpus with some of them changed, cut or put in twice.
    fn input(index: u64, corpus: &[Vec<u8>]) -> Vec<u8> {
        let state = &mut (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut bytes = match corpus {
            [_, ..] if !index.is_multiple_of(4) => corpus[random(state) as usize % corpus.len()].clone(),
            _ => (0..random(state) % 600).map(|_| random(state) as u8).collect(),
        };
        for _ in 0..random(state) % 6 {
            let at = random(state) as usize % bytes.len().max(1);
            match random(state) % 4 {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_within(at.min(bytes.len())..),
                _ if !bytes.is_empty() => bytes[at] = random(state) as u8,
                _ => {}
            }
            bytes.truncate(1 << 16);
        }
        bytes
    }

    fn corpus(name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        files.iter().map(|file| fs::read(file).unwrap()).collect()
    }

    fn all(name: &str) {
        let corpus = corpus(name);
        let (_, entry, count) = ENTRIES.into_iter().find(|(known, ..)| *known == name).unwrap();
        corpus.iter().for_each(|bytes| entry(bytes));
        for index in 0..count {
            entry(&input(index, &corpus));
        }
    }

    macro_rules! survive {
        ($($name:ident)*) => {$(
            #[test]
            fn $name() {
                all(stringify!($name));
            }
        )*};
    }

    survive!(cards onnx images frames caps outputs strings);

    /// Random inputs for `FUZZ_SECONDS`, from `FUZZ_FROM` on, to the entry of that `FUZZ_TARGET`: without the
    /// coverage that guides cargo-fuzz, but with any compiler.
    #[test]
    #[ignore = "as long as one likes"]
    fn long() {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        let corpus = corpus(&var("FUZZ_TARGET"));
        let (_, entry, _) = ENTRIES.into_iter().find(|(name, ..)| *name == var("FUZZ_TARGET")).unwrap();
        let seconds = var("FUZZ_SECONDS").parse().unwrap();
        let (begun, from) = (std::time::Instant::now(), var("FUZZ_FROM").parse().unwrap_or(1 << 32));
        let (mut index, mut faults) = (from, 0);
        while begun.elapsed() < std::time::Duration::from_secs(seconds) && faults < 20 {
            let bytes = input(index, &corpus);
            if std::panic::catch_unwind(|| entry(&bytes)).is_err() {
                let file = std::env::temp_dir().join(format!("fault-{}-{index}", var("FUZZ_TARGET")));
                println!("fault: {}", file.display());
                fs::write(file, bytes).unwrap();
                faults += 1;
            }
            index += 1;
        }
        println!("{} runs, {faults} faults", index - from);
        assert_eq!(faults, 0);
    }

    /// Files of every kind that is read, as the corpora begin.
    #[test]
    #[ignore = "writes seeds into fuzz/corpus"]
    fn seeds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let put = |name: &str, file: &str, bytes: &[u8]| {
            fs::create_dir_all(corpus.join(name)).unwrap();
            fs::write(corpus.join(name).join(format!("seed-{file}")), bytes).unwrap();
        };
        for card in crate::models::Card::built_in() {
            let file = Path::new(&card.file).with_extension("toml");
            if let Ok(text) = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(&file)) {
                put("cards", &file.display().to_string(), &text);
            }
        }
        let picture = image::RgbImage::from_fn(12, 9, |x, y| image::Rgb([20 * x as u8, 25 * y as u8, 90]));
        for format in [
            image::ImageFormat::Png,
            image::ImageFormat::Jpeg,
            image::ImageFormat::Gif,
            image::ImageFormat::Bmp,
            image::ImageFormat::WebP,
        ] {
            let mut bytes = std::io::Cursor::new(vec![1]);
            bytes.set_position(1);
            picture.write_to(&mut bytes, format).unwrap();
            put("images", format.extensions_str()[0], bytes.get_ref());
        }
        put("onnx", "model", &crate::models::fuzzing::seed());
        for (name, text) in [
            ("list", r"a.jpg, b c.png,Doe\, Jane.jpg,file:///a%20b/%C3%A9.jpg"),
            ("map", r"who.jpg=as.jpg;a\;b=c\=d;x,y=folder"),
            ("odd", "*.jpg?[a-z],~/x,../../..,//,file://,file://host/a%00%zz%"),
        ] {
            put("strings", name, text.as_bytes());
        }
        for name in ["frames", "caps", "outputs", "events"] {
            for index in 0..6 {
                let state = &mut (index + 77u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let bytes: Vec<u8> = (0..400).map(|_| random(state) as u8).collect();
                put(name, &index.to_string(), &bytes);
            }
        }
    }
}
