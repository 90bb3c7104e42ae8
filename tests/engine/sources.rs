//! Source images, good and bad.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
};

use gstfaceswap::engine::{PixelFormat, Source, SourceError, SourceWarning, split_list};
use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};

use super::{astronaut, collage, common, load, noise, params, photo, picture::Picture, swap};

fn one(path: &Path) -> Result<(std::sync::Arc<Source>, Vec<SourceWarning>), SourceError> {
    load(&[path.to_path_buf()])
}

/// What the source looks like on the astronaut.
fn shown(source: &Source) -> Picture {
    let mut picture = Picture::of(&astronaut(500), PixelFormat::Rgb, 0);
    assert_eq!(swap(&mut picture, source, &params()).swapped, 1);
    picture
}

/// Mean difference of two swaps over the pixels that the first one changed, in levels.
fn difference(a: &Picture, b: &Picture) -> f64 {
    let original = Picture::of(&astronaut(500), PixelFormat::Rgb, 0);
    let changed: Vec<usize> = original.differences(a).map(|(_, index)| index).collect();
    assert!(changed.len() > 5000, "{}", changed.len());
    let sum: f64 = changed.iter().map(|&i| f64::from(a.planes[0][i].abs_diff(b.planes[0][i]))).sum();
    sum / changed.len() as f64
}

fn assert_alike(a: &Picture, b: &Picture, most: f64, what: &str) {
    let off = difference(a, b);
    println!("{what}: {off:.3} levels apart");
    assert!(off <= most, "{what}: {off:.3} levels apart");
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 98);
    picture.write_with_encoder(encoder).unwrap();
    bytes
}

#[test]
fn missing_and_unreadable_say_so() {
    let folder = common::folder("unreadable");
    let path = folder.join("none.jpg");
    let error = one(&path).unwrap_err();
    assert!(matches!(&error, SourceError::Missing { path: p } if *p == path), "{error}");
    assert!(error.to_string().contains("none.jpg") && error.to_string().contains("no such file"), "{error}");

    let path = folder.join("loop.jpg");
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let error = one(&path).unwrap_err();
    assert!(matches!(&error, SourceError::Unreadable { path: p, .. } if *p == path), "{error}");

    let path = common::unreadable(&folder);
    let error = one(&path).unwrap_err();
    assert!(matches!(&error, SourceError::Unreadable { path: p, .. } if *p == path), "{error}");

    let path = folder.join("empty");
    fs::create_dir(&path).unwrap();
    assert!(matches!(one(&path).unwrap_err(), SourceError::EmptyFolder { path: p } if p == path));
}

#[test]
fn what_is_no_image_is_refused() {
    let folder = common::folder("no-image");
    let good = fs::read(common::hopper()).unwrap();
    let png = fs::read(common::astronaut()).unwrap();
    for (name, bytes) in [
        ("text.jpg", &b"This is a text file, whatever its name says.\n"[..]),
        ("empty.png", &[][..]),
        ("head.jpg", &good[..300]),
        ("half.png", &png[..png.len() / 2]),
        ("zeros.gif", &[0; 4096][..]),
    ] {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let error = one(&path).unwrap_err();
        assert!(matches!(&error, SourceError::NotAnImage { path: p, .. } if *p == path), "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn without_a_face_the_error_names_the_file() {
    let folder = common::folder("no-face");
    let grain = RgbImage::from_raw(300, 200, noise(3).take(180_000).collect()).unwrap();
    for (name, picture) in [
        ("dot.png", RgbImage::new(1, 1)),
        ("row.png", RgbImage::new(500, 1)),
        ("grain.png", grain),
        ("white.jpg", RgbImage::from_pixel(640, 480, image::Rgb([255; 3]))),
    ] {
        let path = folder.join(name);
        picture.save(&path).unwrap();
        let error = one(&path).unwrap_err();
        assert!(matches!(&error, SourceError::NoFace { path: p } if *p == path), "{name}: {error}");
        assert!(error.to_string().contains(name) && error.to_string().contains("no face"), "{error}");
    }
}

#[test]
fn a_hundred_megapixels_load() {
    let path = common::folder("large").join("large.png");
    let photo = astronaut(6000);
    let picture = collage(10_000, 10_000, &[(&photo, 2000, 3000)]);
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let file = BufWriter::new(File::create(&path).unwrap());
    picture
        .write_with_encoder(PngEncoder::new_with_quality(file, CompressionType::Fast, FilterType::NoFilter))
        .unwrap();
    drop(picture);
    let (source, warnings) = one(&path).unwrap();
    assert_eq!(warnings, []);
    fs::remove_file(path).unwrap();
    let (small, _) = one(Path::new(&common::astronaut())).unwrap();
    assert_alike(&shown(&small), &shown(&source), 6.0, "100 megapixels");
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn a_header_that_claims_too_much_is_refused_before_decoding() {
    let folder = common::folder("claims");
    let side = 60_000u32;
    let mut jpeg = jpeg(&RgbImage::new(16, 16));
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&(side as u16).to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&(side as u16).to_be_bytes());
    let mut png = std::io::Cursor::new(Vec::new());
    RgbImage::new(16, 16).write_to(&mut png, ImageFormat::Png).unwrap();
    let mut png = png.into_inner();
    png[16..20].copy_from_slice(&side.to_be_bytes());
    png[20..24].copy_from_slice(&side.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    for (name, bytes) in [("claims.jpg", jpeg), ("claims.png", png)] {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let error = one(&path).unwrap_err();
        let expected = matches!(&error, SourceError::TooLarge { path: p, width: 60_000, height: 60_000, .. } if *p == path);
        assert!(expected, "{name}: {error}");
        assert!(error.to_string().contains("megapixels"), "{error}");
    }
}

/// The picture as a camera would store it that writes the EXIF orientation `value`: where its row
/// 0 and column 0 lie is the standard's table (JEITA CP-3451, Orientation).
fn stored(upright: &RgbImage, value: u8) -> RgbImage {
    let (w, h) = upright.dimensions();
    let (width, height) = if value < 5 { (w, h) } else { (h, w) };
    RgbImage::from_fn(width, height, |column, row| {
        let (x, y) = match value {
            1 => (column, row),
            2 => (w - 1 - column, row),
            3 => (w - 1 - column, h - 1 - row),
            4 => (column, h - 1 - row),
            5 => (row, column),
            6 => (w - 1 - row, column),
            7 => (w - 1 - row, h - 1 - column),
            _ => (row, h - 1 - column),
        };
        *upright.get_pixel(x, y)
    })
}

/// A JPEG with an APP1 segment that holds nothing but the orientation, big or little endian.
fn with_orientation(jpeg: &[u8], value: u8, little: bool) -> Vec<u8> {
    let mut app1 = vec![0xFF, 0xE1, 0, 34];
    app1.extend(b"Exif\0\0");
    app1.extend(if little {
        [73, 73, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0]
    } else {
        [77, 77, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0, 0, 0, 0, 0]
    });
    [&jpeg[..2], &app1, &jpeg[2..]].concat()
}

#[test]
fn every_exif_orientation_gives_the_same_swap() {
    let folder = common::folder("exif");
    let upright = photo(&common::hopper());
    let plain = folder.join("plain.jpg");
    fs::write(&plain, jpeg(&upright)).unwrap();
    let wanted = shown(&one(&plain).unwrap().0);
    for value in 1..=8 {
        let path = folder.join(format!("turned-{value}.jpg"));
        let bytes = with_orientation(&jpeg(&stored(&upright, value)), value, value % 2 == 0);
        fs::write(&path, bytes).unwrap();
        assert_alike(&wanted, &shown(&one(&path).unwrap().0), 3.0, &format!("orientation {value}"));
    }
}

#[test]
fn of_three_faces_the_largest_is_used() {
    let folder = common::folder("three");
    let (a, b) = (astronaut(1000), photo(&common::hopper()));
    let face = image::imageops::crop_imm(&a, 230, 20, 420, 420).to_image();
    let small = image::imageops::resize(&face, 200, 200, image::imageops::FilterType::Triangle);
    let size = |width: u32| {
        let height = width * b.height() / b.width();
        image::imageops::resize(&b, width, height, image::imageops::FilterType::Triangle)
    };
    let large = size(600);
    let height = large.height() + 20;
    let path = folder.join("three.png");
    collage(1100, height, &[(&small, 10, 20), (&large, 230, 10), (&small, 860, 200)]).save(&path).unwrap();
    let (source, warnings) = one(&path).unwrap();
    assert_eq!(warnings, [SourceWarning::SeveralFaces { path: path.clone(), faces: 3 }]);
    assert!(warnings[0].to_string().contains("3 faces"), "{}", warnings[0]);
    let alone = shown(&one(Path::new(&common::hopper())).unwrap().0);
    let other = shown(&one(Path::new(&common::astronaut())).unwrap().0);
    let shown = shown(&source);
    let (right, wrong) = (difference(&shown, &alone), difference(&shown, &other));
    println!("three faces: {right:.2} levels from the largest alone, {wrong:.2} from another");
    assert!(right < 0.5 * wrong, "{right} {wrong}");
}

#[test]
fn the_content_counts_not_the_name() {
    let folder = common::folder("kinds");
    let original = image::open(common::hopper()).unwrap();
    let wanted = shown(&one(Path::new(&common::hopper())).unwrap().0);
    let save = |name: &str, picture: &DynamicImage, format: ImageFormat| {
        let path = folder.join(name);
        let mut file = BufWriter::new(File::create(&path).unwrap());
        picture.write_to(&mut file, format).unwrap();
        path
    };
    let same = |path: PathBuf| {
        let (source, warnings) = one(&path).unwrap();
        assert_eq!(warnings, [], "{}", path.display());
        assert!(shown(&source) == wanted, "{}", path.display());
    };
    same(save("a png.jpg", &original, ImageFormat::Png));
    same(save("no extension", &original, ImageFormat::Bmp));
    same(save("ünïcode 顔 – “face”, 1.png", &original, ImageFormat::Png));
    same(save("webp.png", &DynamicImage::from(original.to_rgb8()), ImageFormat::WebP));
    let deep = DynamicImage::from(original.to_rgb16());
    same(save("sixteen.png", &deep, ImageFormat::Png));
    let mut clear: RgbaImage = original.to_rgba8();
    clear.pixels_mut().for_each(|p| p[3] = if p[0] > 100 { 255 } else { 200 });
    same(save("alpha.png", &DynamicImage::from(clear), ImageFormat::Png));
    let grey = shown(
        &one(&save("grey.jpg", &DynamicImage::from(original.to_luma8()), ImageFormat::Jpeg)).unwrap().0,
    );
    println!("grey: {:.2} levels apart", difference(&wanted, &grey));
}

#[test]
fn of_an_animation_the_first_picture_is_used() {
    let path = common::folder("gif").join("two.gif");
    let first = image::open(common::hopper()).unwrap().to_rgba8();
    let second = image::open(common::astronaut()).unwrap();
    let second = second.resize_exact(first.width(), first.height(), image::imageops::FilterType::Triangle);
    let mut encoder = image::codecs::gif::GifEncoder::new(File::create(&path).unwrap());
    encoder.encode_frames([first, second.to_rgba8()].map(image::Frame::new)).unwrap();
    drop(encoder);
    let shown_gif = shown(&one(&path).unwrap().0);
    let right = shown(&one(Path::new(&common::hopper())).unwrap().0);
    assert_alike(&right, &shown_gif, 8.0, "GIF's first picture");
}

#[test]
fn of_a_folder_or_list_what_shows_no_face_is_left_out_and_the_best_photos_drawn() {
    let folder = common::folder("a folder, of photos");
    let wanted = shown(&one(Path::new(&common::hopper())).unwrap().0);
    fs::write(folder.join("0 notes.txt"), "not looked at").unwrap();
    RgbImage::new(64, 64).save(folder.join("1 black.png")).unwrap();
    fs::copy(common::hopper(), folder.join("2 hopper.JPG")).unwrap();
    let hopper = photo(&common::hopper());
    let (width, height) = (hopper.width() / 3, hopper.height() / 3);
    image::imageops::resize(&hopper, width, height, image::imageops::FilterType::Triangle)
        .save(folder.join("0 small.png"))
        .unwrap();
    let (source, warnings) = one(&folder).unwrap();
    // Of the same view the larger picture is drawn; glasses are looked for in both.
    assert_alike(&wanted, &shown(&source), 1.8, "a folder with a small copy");
    let small = shown(&one(&folder.join("0 small.png")).unwrap().0);
    assert!(difference(&wanted, &small) > 2.5, "the small copy alone: {:.3}", difference(&wanted, &small));
    let [SourceWarning::SmallFace { .. }, SourceWarning::LeftOut(text)] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert!(text.contains("1 black.png") && text.contains("no face"), "{text}");

    let list = format!(r"{}/1 black.png, {}", folder.display(), common::hopper());
    let list = list.replacen("folder, of", r"folder\, of", 1);
    let (source, warnings) = load(&split_list(&list)).unwrap();
    assert!(shown(&source) == wanted && warnings.len() == 1);

    let black = folder.join("1 black.png");
    let error = load(&[black.clone(), black.clone()]).unwrap_err();
    assert!(matches!(error, SourceError::NoFace { path } if path == black));
}
