//! Alignment: five points of a face, and where a network wants them in its crop.

use crate::engine::{
    geometry::{Point, Similarity},
    swap::mesh::topology::Mesh,
};

/// Left and right eye (as seen), nose tip, left and right mouth corner.
pub(crate) type Points = [Point; 5];

/// Vertices whose mean is an eye's centre: its corners and two points on each lid.
const EYES: [[usize; 6]; 2] = [[33, 160, 158, 133, 153, 144], [362, 385, 387, 263, 373, 380]];
const NOSE_TIP: usize = 4;
const MOUTH_CORNERS: [usize; 2] = [61, 291];

/// The five points of a mesh, in its pixels.
pub(crate) fn points_of(mesh: &Mesh) -> Points {
    let at = |v: usize| Point::new(mesh[v][0], mesh[v][1]);
    let eye = |vertices: [usize; 6]| {
        let sum = vertices.iter().fold((0.0, 0.0), |(x, y), &v| (x + at(v).x, y + at(v).y));
        Point::new(sum.0 / 6.0, sum.1 / 6.0)
    };
    [eye(EYES[0]), eye(EYES[1]), at(NOSE_TIP), at(MOUTH_CORNERS[0]), at(MOUTH_CORNERS[1])]
}

/// Where the five points lie in a crop, in parts of its side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Template([(f32, f32); 5]);

const ARCFACE_112_V1: Template = Template([
    (0.35473214, 0.45658929),
    (0.64526786, 0.45658929),
    (0.5, 0.61154464),
    (0.37913393, 0.776875),
    (0.62086607, 0.776875),
]);
#[expect(clippy::excessive_precision)]
const ARCFACE_112_V2: Template = Template([
    (0.34191607, 0.46157411),
    (0.65653393, 0.45983393),
    (0.500225, 0.64050536),
    (0.37097589, 0.82469196),
    (0.63151696, 0.82325089),
]);
#[expect(clippy::excessive_precision)]
const ARCFACE_128: Template = Template([
    (0.36167656, 0.40387734),
    (0.63696719, 0.40235469),
    (0.50019687, 0.56044219),
    (0.38710391, 0.72160547),
    (0.61507734, 0.72034453),
]);
#[expect(clippy::excessive_precision)]
const FFHQ_512: Template = Template([
    (0.37691676, 0.46864664),
    (0.62285697, 0.46912813),
    (0.50123859, 0.61331904),
    (0.39308822, 0.725411),
    (0.61150205, 0.72490465),
]);
#[expect(clippy::excessive_precision)]
const MTCNN_512: Template = Template([
    (0.36562865, 0.46733799),
    (0.63305391, 0.46585885),
    (0.50019127, 0.61942959),
    (0.39032951, 0.77598822),
    (0.61178945, 0.77476328),
]);

impl Template {
    pub const NAMES: [&str; 5] = ["arcface_112_v1", "arcface_112_v2", "arcface_128", "ffhq_512", "mtcnn_512"];

    /// By the name that cards use.
    pub fn named(name: &str) -> Option<Template> {
        Some(match name {
            "arcface_112_v1" => ARCFACE_112_V1,
            "arcface_112_v2" => ARCFACE_112_V2,
            "arcface_128" => ARCFACE_128,
            "ffhq_512" => FFHQ_512,
            "mtcnn_512" => MTCNN_512,
            _ => return None,
        })
    }

    /// The map from a crop of `size` pixels a side to the picture that `points` lie in. `None` for
    /// points that are all in one place or no numbers.
    ///
    /// The networks were trained with whole pixels at whole coordinates, so a template's pixel is
    /// half a pixel further here, where pixels' centres are.
    pub fn crop(self, points: &Points, size: usize) -> Option<Similarity> {
        let side = size as f32;
        let from = self.0.map(|(x, y)| Point::new(side * x + 0.5, side * y + 0.5));
        let map = Similarity::fit(from.into_iter().zip(*points))?;
        let usable = [map.a, map.b, map.tx, map.ty].iter().all(|v| v.is_finite());
        (usable && map.scale() > 1e-4 && map.scale() < 1e4).then_some(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_on_the_template_is_cropped_as_it_lies() {
        for name in Template::NAMES {
            let template = Template::named(name).unwrap();
            let place = |(x, y): (f32, f32)| {
                let (x, y) = (128.0 * x + 0.5, 128.0 * y + 0.5);
                Point::new(100.0 + 2.0 * (0.6 * x - 0.8 * y), 50.0 + 2.0 * (0.8 * x + 0.6 * y))
            };
            let map = template.crop(&template.0.map(place), 128).unwrap();
            assert!((map.a - 1.2).abs() < 1e-4 && (map.b - 1.6).abs() < 1e-4, "{name} {map:?}");
            assert!((map.tx - 100.0).abs() < 1e-2 && (map.ty - 50.0).abs() < 1e-2, "{name} {map:?}");
        }
    }

    #[test]
    fn points_that_are_no_face_give_no_crop() {
        assert_eq!(ARCFACE_128.crop(&[Point::new(3.0, 4.0); 5], 128), None);
        let mut points = ARCFACE_128.0.map(|(x, y)| Point::new(x, y));
        points[2].x = f32::NAN;
        assert_eq!(ARCFACE_128.crop(&points, 128), None);
    }
}
