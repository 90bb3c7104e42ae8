//! A look over an ONNX file without decoding it: nothing is copied or allocated for its parts, however
//! many it claims to have. Field numbers are those of `onnx.proto` (ONNX 1.17).

/// Messages nested deeper than this are refused; protobuf's own limit.
const DEPTH: usize = 100;

/// The messages that lead to tensors and nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    Sparse,
    Tensor,
    /// Key and value of where a tensor's data lies.
    Place,
}

impl Kind {
    /// What the message field `number` of this message holds, where that is of interest.
    fn child(self, number: u64) -> Option<Kind> {
        Some(match (self, number) {
            (Kind::Model, 7) | (Kind::Training, 1 | 2) | (Kind::Attribute, 6 | 11) => Kind::Graph,
            (Kind::Model, 20) => Kind::Training,
            (Kind::Model, 25) => Kind::Function,
            (Kind::Function, 7) | (Kind::Graph, 1) => Kind::Node,
            (Kind::Function, 11) | (Kind::Node, 5) => Kind::Attribute,
            (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) | (Kind::Sparse, 1 | 2) => Kind::Tensor,
            (Kind::Graph, 15) | (Kind::Attribute, 22 | 23) => Kind::Sparse,
            (Kind::Tensor, 13) => Kind::Place,
            _ => return None,
        })
    }
}

/// What a file asks of others than itself, in the order in which it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need<'a> {
    /// A tensor's data lie in this file.
    File(&'a [u8]),
    /// A node's operator.
    Operator(&'a [u8]),
}

/// Tells `hear` of all that the model needs, until it returns an error.
///
/// # Errors
/// The bytes are no whole ONNX model; that of `hear`.
pub(crate) fn needs<'a>(
    model: &'a [u8],
    hear: &mut dyn FnMut(Need<'a>) -> Result<(), String>,
) -> Result<(), String> {
    walk(Kind::Model, model, 0, hear)
}

fn walk<'a>(
    kind: Kind,
    message: &'a [u8],
    depth: usize,
    hear: &mut dyn FnMut(Need<'a>) -> Result<(), String>,
) -> Result<(), String> {
    if depth > DEPTH {
        return Err(format!("its parts are nested more than {DEPTH} deep"));
    }
    let (mut key, mut value) = (&[][..], &[][..]);
    for field in Fields(message) {
        let Field { number, bytes } = field.ok_or_else(damaged)?;
        let Some(bytes) = bytes else { continue };
        match (kind, number) {
            (Kind::Node, 4) => hear(Need::Operator(bytes))?,
            (Kind::Place, 1) => key = bytes,
            (Kind::Place, 2) => value = bytes,
            _ => {
                if let Some(child) = kind.child(number) {
                    walk(child, bytes, depth + 1, hear)?;
                }
            }
        }
    }
    if key == b"location" { hear(Need::File(value)) } else { Ok(()) }
}

/// The last initializer of the model's graph, as it is written.
///
/// # Errors
/// The bytes are no whole ONNX model.
pub(super) fn last_initializer(model: &[u8]) -> Result<Option<&[u8]>, String> {
    let mut last = None;
    for graph in of_kind(Kind::Model, model, Kind::Graph) {
        for tensor in of_kind(Kind::Graph, graph?, Kind::Tensor) {
            last = Some(tensor?);
        }
    }
    Ok(last)
}

fn of_kind(kind: Kind, message: &[u8], wanted: Kind) -> impl Iterator<Item = Result<&[u8], String>> {
    Fields(message).filter_map(move |field| match field {
        None => Some(Err(damaged())),
        Some(Field { number, bytes }) => bytes.filter(|_| kind.child(number) == Some(wanted)).map(Ok),
    })
}

fn damaged() -> String {
    "it is truncated, damaged, or no ONNX model".into()
}

/// One field of a message; `bytes` where it has a length.
struct Field<'a> {
    number: u64,
    bytes: Option<&'a [u8]>,
}

/// The fields of a message; `None` where they cannot be told, which ends it.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<Field<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<Field<'a>> {
        let key = self.varint()?;
        let number = key >> 3;
        let bytes = match key & 7 {
            0 => {
                self.varint()?;
                None
            }
            1 => {
                self.take(8)?;
                None
            }
            2 => {
                let length = self.varint()?;
                Some(self.take(usize::try_from(length).ok()?)?)
            }
            5 => {
                self.take(4)?;
                None
            }
            // Groups are not used by ONNX.
            _ => return None,
        };
        (number > 0).then_some(Field { number, bytes })
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with a length.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let key = u16::from(number) << 3 | 2;
        let mut out =
            if key < 0x80 { vec![key as u8] } else { vec![(key & 0x7f) as u8 | 0x80, (key >> 7) as u8] };
        assert!(bytes.len() < 1 << 14);
        out.extend([bytes.len() as u8 & 0x7f | 0x80, (bytes.len() >> 7) as u8]);
        out.extend(bytes);
        out
    }

    fn outside(location: &str) -> Vec<u8> {
        field(13, &[field(1, b"location"), field(2, location.as_bytes())].concat())
    }

    fn told(model: &[u8]) -> Result<Vec<String>, String> {
        let mut told = Vec::new();
        needs(model, &mut |need| {
            told.push(match need {
                Need::File(name) => format!("file {}", String::from_utf8_lossy(name)),
                Need::Operator(name) => format!("operator {}", String::from_utf8_lossy(name)),
            });
            Ok(())
        })?;
        Ok(told)
    }

    #[test]
    fn data_outside_is_found_wherever_it_is_named() {
        let node = |attribute: &[u8]| field(1, &[field(4, b"If"), field(5, attribute)].concat());
        let graph = [
            field(5, &outside("weights")),
            field(15, &field(1, &outside("sparse"))),
            node(&field(5, &outside("attribute"))),
            node(&field(10, &outside("list"))),
            node(&field(6, &field(5, &outside("branch")))),
        ];
        let function = field(7, &[field(4, b"Own"), field(5, &field(5, &outside("function")))].concat());
        let model = [field(7, &graph.concat()), field(25, &function)].concat();
        let expected = [
            "file weights",
            "file sparse",
            "operator If",
            "file attribute",
            "operator If",
            "file list",
            "operator If",
            "file branch",
            "operator Own",
            "file function",
        ];
        assert_eq!(told(&model).unwrap(), expected);
    }

    #[test]
    fn what_is_damaged_or_too_deep_is_refused() {
        let whole = field(7, &field(5, &outside("weights")));
        for end in 1..whole.len() {
            assert!(told(&whole[..end]).is_err(), "{end}");
        }
        assert!(told(&[0xff; 11]).is_err() && told(&[0x03]).is_err() && told(&[0x02, 0]).is_err());
        let mut deep = Vec::new();
        for _ in 0..60 {
            deep = field(1, &field(5, &field(6, &deep)));
        }
        assert!(told(&field(7, &deep)).unwrap_err().contains("nested"));
    }

    #[test]
    fn the_last_initializer_is_told_among_millions() {
        let tensors = [b"\x2a\x00".repeat(1_000_000), field(5, b"last")].concat();
        let mut model = vec![7 << 3 | 2];
        let mut length = tensors.len();
        while length >= 0x80 {
            model.push(length as u8 | 0x80);
            length >>= 7;
        }
        model.push(length as u8);
        model.extend(tensors);
        assert_eq!(last_initializer(&model), Ok(Some(&b"last"[..])));
        assert_eq!(last_initializer(b""), Ok(None));
        assert!(last_initializer(&model[..100]).is_err());
    }
}
