//! Triangles and contours of the 468-point face mesh.

use std::sync::LazyLock;

/// Vertices of the mesh.
pub const VERTICES: usize = 468;

/// Upper and lower chains, from corner to corner, between which an opening is zipped shut.
struct Chains {
    upper: &'static [u16],
    lower: &'static [u16],
}

// Shared/first and last vertices of the chains close the loop. Source: the contours of the same
// file as the triangles.
const MOUTH: Chains = Chains {
    upper: &[78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308],
    lower: &[78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308],
};
const RIGHT_EYE: Chains = Chains {
    upper: &[33, 246, 161, 160, 159, 158, 157, 173, 133],
    lower: &[33, 7, 163, 144, 145, 153, 154, 155, 133],
};
const LEFT_EYE: Chains = Chains {
    upper: &[263, 466, 388, 387, 386, 385, 384, 398, 362],
    lower: &[263, 249, 390, 373, 374, 380, 381, 382, 362],
};

/// An eye or the mouth, with the skin that borders it.
#[derive(Debug)]
pub struct Opening {
    pub is_mouth: bool,
    /// Indices of the triangles that close it, and of those of the skin that touch it.
    pub triangles: Vec<u16>,
    /// All their vertices.
    pub vertices: Vec<u16>,
}

/// The mesh's connectivity. Left and right are the person's own.
#[derive(Debug)]
pub struct Topology {
    /// 852 triangles of the skin, then those that close the mouth, then those of both eyes.
    pub triangles: Vec<[u16; 3]>,
    pub skin: usize,
    pub mouth: usize,
    /// 36 vertices around the face, an ordered loop.
    pub oval: Vec<u16>,
    pub lips_outer: Vec<u16>,
    pub lips_inner: Vec<u16>,
    pub left_eye: Vec<u16>,
    pub right_eye: Vec<u16>,
    pub left_brow: Vec<u16>,
    pub right_brow: Vec<u16>,
    /// Edges from each vertex to the oval, 0 on it.
    pub ring: Vec<u8>,
    /// Mean frontal face: x right, y down, z away from the camera, in widths of the oval.
    pub canonical: Box<Mesh>,
    /// The vertex at the mirrored place.
    pub mirror: Vec<u16>,
    /// Mouth, right eye, left eye.
    pub openings: [Opening; 3],
    /// Whether a triangle of the skin lies beside an opening or one triangle further.
    pub beside: Vec<bool>,
    /// Triangles of the skin around each vertex.
    pub around: Vec<Vec<u16>>,
    around_mouth: Vec<u16>,
    around_left_eye: Vec<u16>,
    around_right_eye: Vec<u16>,
}

/// Positions of the 468 vertices: x and y in pixels, z in the same scale, away from the camera.
pub type Mesh = [[f32; 3]; VERTICES];

impl Topology {
    /// Vertices one edge away from `contour`, without its own.
    pub(crate) fn neighbours(&self, contour: &[u16]) -> impl Iterator<Item = u16> {
        let list = match contour {
            c if c == self.lips_inner => &self.around_mouth,
            c if c == self.left_eye => &self.around_left_eye,
            _ => &self.around_right_eye,
        };
        list.iter().copied()
    }
}

static TOPOLOGY: LazyLock<Topology> =
    LazyLock::new(|| parse(include_str!("../../../../models/face_mesh_topology.txt")));

/// Normal of a triangle, as long as twice its area.
pub(crate) fn normal(mesh: &Mesh, tri: [u16; 3]) -> [f32; 3] {
    let [a, b, c] = tri.map(|v| mesh[usize::from(v)]);
    let e: [f32; 3] = std::array::from_fn(|k| b[k] - a[k]);
    let f: [f32; 3] = std::array::from_fn(|k| c[k] - a[k]);
    [e[1] * f[2] - e[2] * f[1], e[2] * f[0] - e[0] * f[2], e[0] * f[1] - e[1] * f[0]]
}

/// A Gaussian of this spread over the distance between two places.
pub(crate) fn closeness(a: &[f32; 3], b: &[f32; 3], spread: f32) -> f32 {
    let square: f32 = (0..3).map(|k| (a[k] - b[k]).powi(2)).sum();
    (-square / (2.0 * spread * spread)).exp()
}

/// The one topology, parsed on first use.
pub fn topology() -> &'static Topology {
    &TOPOLOGY
}

fn section(text: &str, name: &str) -> Vec<u16> {
    let tag = format!("[{name}]");
    text.lines()
        .skip_while(|line| line.trim() != tag)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .flat_map(|line| {
            line.split_whitespace().map(|v| v.parse().expect("the built-in table holds numbers"))
        })
        .collect()
}

fn parse(text: &str) -> Topology {
    let mut triangles: Vec<[u16; 3]> =
        section(text, "triangles").chunks_exact(3).map(|t| [t[0], t[1], t[2]]).collect();
    let skin = triangles.len();
    zip(&MOUTH, &mut triangles);
    let mouth = triangles.len() - skin;
    zip(&RIGHT_EYE, &mut triangles);
    zip(&LEFT_EYE, &mut triangles);
    let oval = section(text, "oval");
    let (canonical, mirror) = parse_canonical(include_str!("../../../../models/face_mesh_canonical.txt"));
    wind(&mut triangles, &canonical);
    let ring = rings(&triangles, &oval);
    let [lips_inner, left_eye, right_eye] =
        ["lips_inner", "left_eye", "right_eye"].map(|name| section(text, name));
    let mut around = vec![Vec::new(); VERTICES];
    for (index, tri) in triangles[..skin].iter().enumerate() {
        tri.iter().for_each(|&v| around[usize::from(v)].push(index as u16));
    }
    let outside = |contour: &[u16]| {
        let touching = triangles.iter().filter(|t| t.iter().any(|v| contour.contains(v)));
        let mut vertices: Vec<u16> = touching.flatten().copied().filter(|v| !contour.contains(v)).collect();
        vertices.sort_unstable();
        vertices.dedup();
        vertices
    };
    let eye = (triangles.len() - skin - mouth) / 2;
    let closing = [skin..skin + mouth, skin + mouth..skin + mouth + eye, skin + mouth + eye..triangles.len()];
    let openings: [Opening; 3] = std::array::from_fn(|i| {
        let contour = [&lips_inner, &right_eye, &left_eye][i];
        let touches = |&index: &usize| triangles[index].iter().any(|v| contour.contains(v));
        let list: Vec<u16> =
            (0..skin).filter(touches).chain(closing[i].clone()).map(|index| index as u16).collect();
        let mut vertices: Vec<u16> = list.iter().flat_map(|&i| triangles[usize::from(i)]).collect();
        vertices.sort_unstable();
        vertices.dedup();
        Opening { is_mouth: i == 0, triangles: list, vertices }
    });
    let beside = triangles[..skin]
        .iter()
        .map(|t| t.iter().any(|v| openings.iter().any(|o| o.vertices.contains(v))))
        .collect();
    Topology {
        openings,
        beside,
        around,
        around_mouth: outside(&lips_inner),
        around_left_eye: outside(&left_eye),
        around_right_eye: outside(&right_eye),
        triangles,
        skin,
        mouth,
        lips_outer: section(text, "lips_outer"),
        lips_inner,
        left_eye,
        right_eye,
        left_brow: section(text, "left_eyebrow"),
        right_brow: section(text, "right_eyebrow"),
        oval,
        ring,
        canonical,
        mirror,
    }
}

fn parse_canonical(text: &str) -> (Box<Mesh>, Vec<u16>) {
    let mut mesh = Box::new([[0.0; 3]; VERTICES]);
    let mut mirror = vec![0; VERTICES];
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    for ((vertex, mirror), row) in mesh.iter_mut().zip(&mut mirror).zip(rows) {
        let mut values = row.split_whitespace();
        let mut next = || values.next().expect("the built-in table has four columns");
        for c in vertex.iter_mut() {
            *c = next().parse().expect("the built-in table holds numbers");
        }
        *mirror = next().parse().expect("the built-in table holds numbers");
    }
    (mesh, mirror)
}

/// Twice the signed area of a triangle as the camera sees it.
pub(crate) fn signed_area(mesh: &Mesh, t: [u16; 3]) -> f32 {
    let [a, b, c] = t.map(|v| mesh[usize::from(v)]);
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// Gives every triangle the winding with which the frontal face shows a positive area.
fn wind(triangles: &mut [[u16; 3]], mesh: &Mesh) {
    for t in triangles {
        if signed_area(mesh, *t) < 0.0 {
            t.swap(1, 2);
        }
    }
}

/// Fills the opening with a strip of triangles between its two chains.
fn zip(opening: &Chains, triangles: &mut Vec<[u16; 3]>) {
    let (up, low) = (opening.upper, opening.lower);
    let last = up.len() - 1;
    triangles.push([up[0], up[1], low[1]]);
    for i in 1..last - 1 {
        triangles.push([up[i], up[i + 1], low[i]]);
        triangles.push([low[i], up[i + 1], low[i + 1]]);
    }
    triangles.push([up[last - 1], up[last], low[last - 1]]);
}

fn rings(triangles: &[[u16; 3]], oval: &[u16]) -> Vec<u8> {
    let mut ring = vec![u8::MAX; VERTICES];
    for &v in oval {
        ring[usize::from(v)] = 0;
    }
    for distance in 0..VERTICES as u8 / 2 {
        let mut changed = false;
        for t in triangles {
            let near = t.iter().any(|&v| ring[usize::from(v)] == distance);
            for &v in t.iter().filter(|_| near) {
                let r = &mut ring[usize::from(v)];
                if *r == u8::MAX {
                    *r = distance + 1;
                    changed = true;
                }
            }
        }
        if !changed {
            break;
        }
    }
    ring
}

/// A face 300 pixels wide, seen from the front in the middle of 480 by 480.
#[cfg(test)]
pub(crate) fn frontal() -> Box<Mesh> {
    Box::new(topology().canonical.map(|[x, y, z]| [300.0 * x + 240.0, 300.0 * y + 240.0, 300.0 * z]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn counts_and_ranges() {
        let t = topology();
        assert_eq!((t.skin, t.mouth, t.triangles.len()), (852, 18, 898));
        assert_eq!((t.oval.len(), t.lips_inner.len(), t.left_eye.len()), (36, 20, 16));
        assert!(t.triangles.iter().flatten().all(|&v| usize::from(v) < VERTICES));
        assert!(t.ring.iter().all(|&r| r < 16));
    }

    #[test]
    fn canonical_face_is_symmetric_and_upright() {
        let t = topology();
        for (i, &m) in t.mirror.iter().enumerate() {
            let (a, b) = (t.canonical[i], t.canonical[usize::from(m)]);
            assert_eq!(usize::from(t.mirror[usize::from(m)]), i);
            assert!((a[0] + b[0]).abs() < 1e-4 && (a[1] - b[1]).abs() < 1e-4);
        }
        assert!(t.canonical[10][1] < t.canonical[1][1] && t.canonical[1][1] < t.canonical[152][1]);
        assert!(t.canonical[33][0] < 0.0 && t.canonical[1][2] < t.canonical[234][2]);
    }

    #[test]
    fn closed_mesh_is_a_disc_bounded_by_the_oval() {
        let t = topology();
        let mut edges: HashMap<(u16, u16), u32> = HashMap::new();
        for tri in &t.triangles {
            for k in 0..3 {
                let (a, b) = (tri[k], tri[(k + 1) % 3]);
                *edges.entry((a.min(b), a.max(b))).or_default() += 1;
            }
        }
        assert!(edges.values().all(|&n| n <= 2));
        let mut rim: Vec<_> = edges.iter().filter(|(_, n)| **n == 1).map(|(e, _)| *e).collect();
        let mut oval: Vec<_> =
            (0..36).map(|i| (t.oval[i], t.oval[(i + 1) % 36])).map(|(a, b)| (a.min(b), a.max(b))).collect();
        rim.sort_unstable();
        oval.sort_unstable();
        assert_eq!(rim, oval);
    }
}
