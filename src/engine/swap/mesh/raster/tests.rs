use proptest::prelude::*;

use super::*;

fn texture() -> Texture {
    Texture::new([128u8, 64, 32, 0].repeat(32 * 32), 32, 32)
}

fn brush(texture: &Texture) -> Brush<'_> {
    Brush {
        image: Image::Pyramid(texture, 0.0),
        ink: Ink::Colour,
        over: false,
        opacity: 255.0,
        colour: 1.0,
        grain: Grain::NONE,
    }
}

fn vertex(x: f32, y: f32) -> Vertex {
    Vertex { x, y, u: x, v: y, cover: 2.0, contrast: 1.0, gleam: 1.0, base: [0.0; 3] }
}

proptest! {
    /// Two triangles that share an edge cover every pixel of their quad exactly once.
    #[test]
    fn neighbours_neither_overlap_nor_gap(p in prop::array::uniform8(0.0f32..32.0)) {
        let q = [vertex(p[0], p[1]), vertex(p[2], p[3]), vertex(p[4], p[5]), vertex(p[6], p[7])];
        let texture = texture();
        let mut hits = vec![0u32; 32 * 32];
        // The quad's diagonal must lie inside it: 0 and 2 on different sides of 1–3.
        let side = |a: &Vertex| (q[3].x - q[1].x) * (a.y - q[1].y) - (q[3].y - q[1].y) * (a.x - q[1].x);
        prop_assume!(side(&q[0]) * side(&q[2]) < -1.0);
        for t in [[&q[0], &q[1], &q[3]], [&q[2], &q[1], &q[3]]] {
            let mut planes = vec![vec![0u8; 32 * 32]; 4];
            let [r, g, b, a] = &mut planes[..] else { unreachable!() };
            triangle(&mut Band { top: 0, rows: 32, stride: 32, r, g, b, a }, brush(&texture), t);
            for (h, a) in hits.iter_mut().zip(&planes[3]) {
                *h += u32::from(*a == 255);
            }
        }
        prop_assert!(hits.iter().all(|&h| h <= 1));
        let area = 0.5 * (side(&q[0]).abs() + side(&q[2]).abs());
        let covered: u32 = hits.iter().sum();
        let perimeter: f32 = (0..4).map(|i| (q[i].x - q[(i + 1) % 4].x).hypot(q[i].y - q[(i + 1) % 4].y)).sum();
        prop_assert!((covered as f32 - area).abs() <= perimeter + 2.0);
    }
}

#[test]
fn bands_draw_what_the_whole_draws() {
    let texture = texture();
    let t = [vertex(3.3, 1.2), vertex(28.0, 9.7), vertex(11.5, 30.9)];
    let t = [&t[0], &t[1], &t[2]];
    let mut whole = vec![vec![0u8; 32 * 32]; 4];
    let [r, g, b, a] = &mut whole[..] else { unreachable!() };
    triangle(&mut Band { top: 0, rows: 32, stride: 32, r, g, b, a }, brush(&texture), t);
    let mut parts = vec![vec![0u8; 32 * 32]; 4];
    for top in [0, 12] {
        let rows = if top == 0 { 12 } else { 20 };
        let span = top * 32..(top + rows) * 32;
        let [r, g, b, a] = &mut parts[..] else { unreachable!() };
        let mut band = Band {
            top,
            rows,
            stride: 32,
            r: &mut r[span.clone()],
            g: &mut g[span.clone()],
            b: &mut b[span.clone()],
            a: &mut a[span],
        };
        triangle(&mut band, brush(&texture), t);
    }
    assert_eq!(whole, parts);
}

#[test]
fn contrast_and_base_make_the_colour() {
    let lit = |contrast: f32, base: [f32; 3]| {
        let corner =
            [(0.0, 0.0), (32.0, 0.0), (0.0, 32.0)].map(|(x, y)| Vertex { contrast, base, ..vertex(x, y) });
        let mut planes = vec![vec![0u8; 32 * 32]; 4];
        let [r, g, b, a] = &mut planes[..] else { unreachable!() };
        let mut band = Band { top: 0, rows: 32, stride: 32, r, g, b, a };
        triangle(&mut band, brush(&texture()), corner.each_ref());
        [planes[0][99], planes[1][99], planes[2][99]]
    };
    assert_eq!(lit(1.0, [0.0; 3]), [128, 64, 32]);
    assert_eq!(lit(0.5, [10.0, 20.0, -30.0]), [74, 52, 0]);
    assert_eq!(lit(3.0, [0.0; 3]), [255, 192, 96]);
}

#[test]
fn over_mixes_by_cover_and_keeps_opacity() {
    let corner =
        |cover: f32| [(0.0, 0.0), (32.0, 0.0), (0.0, 32.0)].map(|(x, y)| Vertex { cover, ..vertex(x, y) });
    let mut planes = vec![vec![0u8; 32 * 32]; 4];
    let [r, g, b, a] = &mut planes[..] else { unreachable!() };
    let mut band = Band { top: 0, rows: 32, stride: 32, r, g, b, a };
    let texture = texture();
    let half = Brush { opacity: 127.5, ..brush(&texture) };
    triangle(&mut band, half, corner(1.0).each_ref());
    let dark = corner(0.5).map(|v| Vertex { contrast: 0.0, ..v });
    triangle(&mut band, Brush { over: true, ..half }, dark.each_ref());
    assert_eq!([planes[0][99], planes[1][99], planes[3][99]], [64, 32, 128]);
}

#[test]
fn erase_takes_away_what_was_drawn() {
    let mut planes = vec![vec![200u8; 32 * 32]; 4];
    let [r, g, b, a] = &mut planes[..] else { unreachable!() };
    let mut band = Band { top: 0, rows: 32, stride: 32, r, g, b, a };
    let texture = texture();
    let corner = [(0.0, 0.0), (32.0, 0.0), (0.0, 32.0)].map(|(x, y)| vertex(x, y));
    triangle(&mut band, Brush { ink: Ink::Erase, ..brush(&texture) }, corner.each_ref());
    assert_eq!([planes[0][99], planes[3][99], planes[3][32 * 32 - 1]], [200, 100, 200]);
}

proptest! {
    /// Detail taken from a base and put back on it gives the colour again.
    #[test]
    fn detail_comes_back(colour in prop::array::uniform3(0.0f32..255.0), base in prop::array::uniform3(10.0f32..255.0)) {
        let back = lit(detail(colour, base), 1.0, 1.0, base);
        for k in 0..3 {
            prop_assert!((back[k] - colour[k]).abs() < 0.05, "{colour:?} {base:?} {k}");
        }
    }
}
