//! Merging of operators into the steps that are run.

use super::depthwise::Depthwise;
use super::graph::{Graph, Id, Image, Node, Op, Window};
use super::lanes::{LANES, padded};
use super::packed::Packed;
use super::product::Rectifier;
use super::step::{Columns, Front, Shortcut, Step};

/// Pixels that are worked on at once, so that they stay in the cache.
const STRIP: usize = 48;

/// Who makes and who reads each image.
struct Links {
    makers: Vec<Option<usize>>,
    readers: Vec<Vec<usize>>,
    /// Whether the image is an output of the network.
    kept: Vec<bool>,
}

impl Links {
    fn new(graph: &Graph, nodes: &[Node]) -> Self {
        let mut makers = vec![None; graph.images.len()];
        let mut readers = vec![Vec::new(); graph.images.len()];
        let mut kept = vec![false; graph.images.len()];
        for (at, node) in nodes.iter().enumerate() {
            makers[node.output] = Some(at);
            for input in node.op.inputs() {
                readers[input].push(at);
            }
        }
        for output in &graph.outputs {
            kept[output.image] = true;
        }
        Self { makers, readers, kept }
    }

    /// The only reader of an image that nobody else needs.
    fn reader(&self, image: Id) -> Option<usize> {
        match self.readers[image].as_slice() {
            &[reader] if !self.kept[image] => Some(reader),
            _ => None,
        }
    }

    /// The maker of an image that only one node reads.
    fn maker(&self, image: Id) -> Option<usize> {
        self.reader(image).and(self.makers[image])
    }
}

/// The steps of `graph` in the order in which they are run.
pub(super) fn fuse(mut graph: Graph) -> Result<(Vec<Step>, Graph), String> {
    let nodes = rectifiers(&mut graph);
    let links = Links::new(&graph, &nodes);
    let mut fuser = Fuser { graph: &graph, nodes: &nodes, links, taken: vec![false; nodes.len()] };
    let mut steps = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        if let Op::Conv { input, window, weights, bias } = &node.op {
            fuser.taken[at] = true;
            let step = fuser.step(at, *input, window, weights, bias);
            steps.push(step.map_err(|e| format!("{}: {e}", node.label))?);
        }
    }
    if let Some((node, _)) = nodes.iter().zip(&fuser.taken).find(|(_, taken)| !**taken) {
        return Err(format!("{}: it stands where no step can take it in", node.label));
    }
    // A step's last operator comes after all that it reads.
    steps.sort_by_key(|&(last, _)| last);
    let steps = steps.into_iter().map(|(_, step)| step).collect();
    Ok((steps, graph))
}

/// The nodes with every `slope * x + rest * relu(x)`, written as four of them, as one.
fn rectifiers(graph: &mut Graph) -> Vec<Node> {
    let mut nodes = std::mem::take(&mut graph.nodes);
    let links = Links::new(graph, &nodes);
    let mut merged = vec![false; nodes.len()];
    for at in 0..nodes.len() {
        let Op::Add(a, b) = nodes[at].op else { continue };
        let found = rectifier(&nodes, &links, a, b).or_else(|| rectifier(&nodes, &links, b, a));
        if let Some((op, parts)) = found {
            nodes[at].op = op;
            parts.into_iter().for_each(|part| merged[part] = true);
        }
    }
    let mut merged = merged.into_iter();
    nodes.retain(|_| merged.next() != Some(true));
    nodes
}

/// The rectifier that the sum of `below` and `above` is, and the three nodes that it replaces.
fn rectifier(nodes: &[Node], links: &Links, below: Id, above: Id) -> Option<(Op, [usize; 3])> {
    let (below, above) = (links.maker(below)?, links.maker(above)?);
    let (Op::Scale { input, factors: slope }, Op::Scale { input: half, factors: rest }) =
        (&nodes[below].op, &nodes[above].op)
    else {
        return None;
    };
    let relu = links.maker(*half)?;
    match &nodes[relu].op {
        Op::Rectify { input: same, below: zeros, above: ones }
            if same == input && zeros.iter().all(|&v| v == 0.0) && ones.iter().all(|&v| v == 1.0) =>
        {
            let sum = slope.iter().zip(rest).map(|(slope, rest)| slope + rest).collect();
            let op = Op::Rectify { input: *input, below: slope.clone(), above: sum };
            Some((op, [below, above, relu]))
        }
        _ => None,
    }
}

struct Fuser<'a> {
    graph: &'a Graph,
    nodes: &'a [Node],
    links: Links,
    taken: Vec<bool>,
}

impl Fuser<'_> {
    /// The step around the convolution `at`, and its last node.
    fn step(
        &mut self,
        at: usize,
        input: Id,
        window: &Window,
        weights: &[f32],
        bias: &[f32],
    ) -> Result<(usize, Step), String> {
        let mut last = at;
        let to = self.graph.images[self.nodes[at].output];
        let (input, front) = self.front(input, window)?;
        let from = self.graph.images[input];
        let mut shortcut = None;
        if let Some(next) = self.next(last)
            && let Op::Add(a, b) = self.nodes[next].op
        {
            shortcut = Some(self.shortcut(if a == self.nodes[last].output { b } else { a })?);
            last = next;
            self.taken[last] = true;
        }
        let ones = padded(&vec![1.0; to.channels]);
        let mut rectifier = Rectifier { below: ones.clone(), above: ones };
        if let Some(next) = self.next(last)
            && let Op::Rectify { below, above, .. } = &self.nodes[next].op
        {
            rectifier = Rectifier { below: padded(below), above: padded(above) };
            last = next;
            self.taken[last] = true;
        }
        let step = Step {
            product: pack(weights, window, pixel(input, from), from.channels, to),
            front,
            input,
            from,
            bias: padded(bias),
            shortcut,
            rectifier,
            output: self.nodes[last].output,
            to,
            strip: (STRIP / to.width).clamp(1, to.height),
        };
        Ok((last, step))
    }

    /// The free node that alone reads what `node` makes.
    fn next(&self, node: usize) -> Option<usize> {
        self.links.reader(self.nodes[node].output).filter(|&next| !self.taken[next])
    }

    /// What a convolution begins with: the depthwise one before it, if there is one.
    fn front(&mut self, input: Id, window: &Window) -> Result<(Id, Front), String> {
        let &Window { kernel, stride, pads } = window;
        let pixels = kernel == [1, 1] && stride == [1, 1] && pads == [0; 4];
        if pixels
            && let Some(maker) = self.links.maker(input)
            && let Op::Depthwise { input, window, weights, bias } = &self.nodes[maker].op
        {
            self.taken[maker] = true;
            self.padded(*input)?;
            let [top, left, ..] = window.pads;
            let depthwise = Depthwise::new(weights, bias, window.stride[0], left);
            return Ok((*input, Front::Depthwise { depthwise, stride: window.stride[0], top }));
        }
        let pixel = pixel(input, self.graph.images[input]);
        Ok((
            input,
            if pixels {
                Front::Pixels { pixel }
            } else {
                Front::Window(Columns { pixel, kernel, stride, pads })
            },
        ))
    }

    /// What the other side of a sum is.
    fn shortcut(&mut self, image: Id) -> Result<Shortcut, String> {
        let mut shortcut = Shortcut { image, from: self.graph.images[image], pooled: false };
        if let Some(maker) = self.links.maker(shortcut.image)
            && let Op::Extend(input) = self.nodes[maker].op
        {
            self.taken[maker] = true;
            shortcut.image = input;
        }
        if let Some(maker) = self.links.maker(shortcut.image)
            && let Op::Pool(input) = self.nodes[maker].op
        {
            self.taken[maker] = true;
            shortcut.image = input;
            shortcut.pooled = true;
        }
        self.padded(shortcut.image)?;
        shortcut.from = self.graph.images[shortcut.image];
        Ok(shortcut)
    }

    /// Fails for the network's input if its channels do not fill vectors.
    fn padded(&self, image: Id) -> Result<(), String> {
        let channels = self.graph.images[image].channels;
        if image == self.graph.input.image && !channels.is_multiple_of(LANES) {
            return Err(format!("the input's {channels} channels are read before a convolution of all"));
        }
        Ok(())
    }
}

/// Floats from a pixel to the next; only the network's input comes without padding.
fn pixel(id: Id, image: Image) -> usize {
    if id == 0 { image.channels } else { image.groups() * LANES }
}

/// Packs ONNX's `[out][in][y][x]` weights; of a pixel's floats those behind the channels have weight 0.
fn pack(weights: &[f32], window: &Window, pixel: usize, channels: usize, to: Image) -> Packed {
    let [height, width] = window.kernel;
    let widest = if to.height * to.width == 1 { Packed::WIDE } else { Packed::narrow() };
    Packed::new(height * width * pixel, to.channels, widest, |row, output| {
        let (tap, channel) = (row / pixel, row % pixel);
        if channel < channels { weights[(output * channels + channel) * height * width + tap] } else { 0.0 }
    })
}
