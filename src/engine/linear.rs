//! Small systems of linear equations.

/// Solves A·X = B by Gauss–Jordan elimination without pivoting, for a positive definite A. Each row of `system`
/// holds one of A and then one of B, in whose place X comes. Returns false where A has no inverse; `system` is of no use then.
pub(crate) fn eliminate<const N: usize, const WIDTH: usize>(system: &mut [[f64; WIDTH]; N]) -> bool {
    for i in 0..N {
        let pivot = system[i][i];
        if pivot.is_nan() || pivot <= 1e-9 {
            return false;
        }
        system[i].iter_mut().for_each(|v| *v /= pivot);
        let row = system[i];
        for (_, other) in system.iter_mut().enumerate().filter(|(j, _)| *j != i) {
            let factor = other[i];
            other.iter_mut().zip(&row).for_each(|(v, r)| *v -= factor * r);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::eliminate;

    proptest! {
        /// A = M·Mᵀ + 1 is positive definite; B is made from a known X.
        #[test]
        fn what_went_in_comes_out(m in prop::array::uniform3(prop::array::uniform3(-3.0f64..3.0)),
                                  x in prop::array::uniform3(prop::array::uniform2(-9.0f64..9.0))) {
            let mut system = [[0.0; 5]; 3];
            for (i, row) in system.iter_mut().enumerate() {
                let (a, b) = row.split_at_mut(3);
                for (j, a) in a.iter_mut().enumerate() {
                    *a = (0..3).map(|k| m[i][k] * m[j][k]).sum::<f64>() + f64::from(u8::from(i == j));
                }
                for (c, b) in b.iter_mut().enumerate() {
                    *b = a.iter().zip(x).map(|(a, x)| a * x[c]).sum();
                }
            }
            prop_assert!(eliminate(&mut system));
            for (row, x) in system.iter().zip(x) {
                prop_assert!((row[3] - x[0]).abs() < 1e-6 && (row[4] - x[1]).abs() < 1e-6, "{row:?} {x:?}");
            }
        }
    }

    #[test]
    fn a_singular_system_is_refused() {
        assert!(!eliminate(&mut [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]));
        assert!(!eliminate(&mut [[f64::NAN, 2.0, 3.0], [2.0, 4.0, 6.0]]));
    }
}
