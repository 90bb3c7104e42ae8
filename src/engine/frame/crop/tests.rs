use proptest::prelude::*;

use super::*;

proptest! {
    /// Taps read together are what each reads alone, also beyond the edges.
    #[test]
    fn taps_are_read_together_as_one_by_one(
        bytes in prop::collection::vec(any::<u8>(), 60),
        angle in 0f32..7.0,
        scale in 0.3f32..2.0,
        centres in prop::array::uniform8((-4i32 << 16..14i32 << 16, -4i32 << 16..10i32 << 16)),
    ) {
        const WIDTH: usize = 10;
        let data = [&bytes[..], &[0; 3 * WIDTH + 4]].concat();
        let plane = Plane { data: &data, width: WIDTH, height: 6, left: 0, top: 0, shrink: 1 };
        let (a, b) = (scale * angle.cos(), scale * angle.sin());
        let taps = Taps::new(Similarity { a, b, tx: 0.0, ty: 0.0 });
        let taps = &taps.offsets[..taps.count];
        let alone = |(x, y): (i32, i32), tap: &(i32, i32)| {
            let x = f64::from((x + tap.0).clamp(0, 9 << 16) >> 8) / 256.0;
            let y = f64::from((y + tap.1).clamp(0, 5 << 16) >> 8) / 256.0;
            let at = |x: f64, y: f64| {
                f64::from(bytes[y.min(5.0) as usize * WIDTH + x.min(9.0) as usize])
            };
            let (i, j, fx, fy) = (x.floor(), y.floor(), x.fract(), y.fract());
            let row = |j: f64| at(i, j) * (1.0 - fx) + at(i + 1.0, j) * fx;
            row(j) * (1.0 - fy) + row(j + 1.0) * fy
        };
        let sums = plane.sum(centres.map(|c| c.0), centres.map(|c| c.1), taps);
        for (sum, centre) in sums.iter().zip(centres) {
            let expected: f64 = taps.iter().map(|tap| alone(centre, tap)).sum();
            prop_assert!((f64::from(*sum) / 65536.0 - expected).abs() < 1e-3, "{sum} {expected}");
        }
    }
}

#[test]
fn means_are_those_of_a_division() {
    for rows in 1..=64 {
        for columns in 1..=64 {
            let (count, mean) = (rows * columns, Mean::of(rows * columns));
            let at_edges = (0..256).flat_map(|v| {
                let edge = v * count + count.div_ceil(2);
                [edge.saturating_sub(1), edge, edge + 1]
            });
            for sum in at_edges.filter(|&sum| sum <= 255 * count) {
                assert_eq!(u32::from(mean.round(sum)), (sum + count / 2) / count, "{sum} of {count}");
            }
        }
    }
}
