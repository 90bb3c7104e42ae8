//! Conversion between R'G'B' and Y'CbCr, 8 bits, as ITU-R BT.601, BT.709 and BT.2020 define it.

/// Luma coefficients of a Y'CbCr encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matrix {
    #[default]
    Bt601,
    Bt709,
    Bt2020,
    Smpte240m,
    Fcc,
}

impl Matrix {
    /// `(Kr, Kb)` of the encoding.
    pub const fn coefficients(self) -> (f32, f32) {
        match self {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
            Matrix::Smpte240m => (0.212, 0.087),
            Matrix::Fcc => (0.30, 0.11),
        }
    }
}

/// Quantisation range of the samples: limited is 16–235 for luma, 16–240 for chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    #[default]
    Limited,
    Full,
}

/// How Y'CbCr samples map to R'G'B'. Ignored for RGB formats, which are taken as full range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Colorimetry {
    pub matrix: Matrix,
    pub range: Range,
}

/// Affine maps between Y'CbCr and R'G'B', both in 0–255.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transform {
    /// Rows Y, Cb, Cr; columns R, G, B, offset.
    pub to_yuv: [[f32; 4]; 3],
    /// R = y·(Y − y_offset) + v·(Cr − 128) and so on.
    pub y_gain: f32,
    pub y_offset: f32,
    pub r_cr: f32,
    pub g_cb: f32,
    pub g_cr: f32,
    pub b_cb: f32,
}

impl Colorimetry {
    pub(crate) fn transform(self) -> Transform {
        let (kr, kb) = self.matrix.coefficients();
        let kg = 1.0 - kr - kb;
        let (y_scale, c_scale, y_offset) = match self.range {
            Range::Limited => (219.0 / 255.0, 224.0 / 255.0, 16.0),
            Range::Full => (1.0, 1.0, 0.0),
        };
        let cb = c_scale * 0.5 / (1.0 - kb);
        let cr = c_scale * 0.5 / (1.0 - kr);
        Transform {
            to_yuv: [
                [kr * y_scale, kg * y_scale, kb * y_scale, y_offset],
                [-kr * cb, -kg * cb, (1.0 - kb) * cb, 128.0],
                [(1.0 - kr) * cr, -kg * cr, -kb * cr, 128.0],
            ],
            y_gain: 1.0 / y_scale,
            y_offset,
            r_cr: (1.0 - kr) * 2.0 / c_scale,
            g_cb: -(1.0 - kb) * 2.0 * kb / (kg * c_scale),
            g_cr: -(1.0 - kr) * 2.0 * kr / (kg * c_scale),
            b_cb: (1.0 - kb) * 2.0 / c_scale,
        }
    }
}

impl Transform {
    #[inline(always)]
    pub fn rgb(&self, y: f32, cb: f32, cr: f32) -> [f32; 3] {
        let y = (y - self.y_offset) * self.y_gain;
        let (cb, cr) = (cb - 128.0, cr - 128.0);
        [y + self.r_cr * cr, y + self.g_cb * cb + self.g_cr * cr, y + self.b_cb * cb]
    }

    /// One row of the forward matrix: 0 = Y, 1 = Cb, 2 = Cr.
    #[inline(always)]
    pub fn component(&self, row: usize, rgb: [f32; 3]) -> f32 {
        let m = &self.to_yuv[row];
        m[0] * rgb[0] + m[1] * rgb[1] + m[2] * rgb[2] + m[3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_match_the_recommendations() {
        // BT.709 limited: Table 4 of ITU-R BT.709-6 for 100 % red; BT.601 full: JFIF.
        let t = Colorimetry { matrix: Matrix::Bt709, range: Range::Limited }.transform();
        let red: Vec<f32> = (0..3).map(|i| t.component(i, [255.0, 0.0, 0.0]).round()).collect();
        assert_eq!(red, [63.0, 102.0, 240.0]);
        let t = Colorimetry { matrix: Matrix::Bt601, range: Range::Full }.transform();
        let blue: Vec<f32> = (0..3).map(|i| t.component(i, [0.0, 0.0, 255.0]).round()).collect();
        assert_eq!(blue, [29.0, 256.0, 107.0]);
    }

    #[test]
    fn inverse_undoes_forward() {
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Smpte240m, Matrix::Fcc] {
            for range in [Range::Limited, Range::Full] {
                let t = Colorimetry { matrix, range }.transform();
                for rgb in [[0.0, 0.0, 0.0], [255.0, 128.0, 3.0], [12.0, 250.0, 199.0]] {
                    let back = t.rgb(t.component(0, rgb), t.component(1, rgb), t.component(2, rgb));
                    for c in 0..3 {
                        assert!((back[c] - rgb[c]).abs() < 1e-3, "{matrix:?} {range:?} {rgb:?} {back:?}");
                    }
                }
            }
        }
    }
}
