//! Protobuf messages as the fields that they consist of, so that one can be changed and the others
//! kept as they are, known or not.

use prost::bytes::Bytes;

/// A field: its number, and all its bytes.
#[derive(Debug, Clone)]
pub struct Field {
    pub number: u64,
    /// Of a string, of bytes or of a message: what is in it. Else empty.
    pub content: Bytes,
    /// With the head, as it stands in the message.
    pub whole: Bytes,
}

/// The fields of a message in their order; `None` where it is damaged.
pub fn fields(message: &Bytes) -> Option<Vec<Field>> {
    let (mut fields, mut at) = (Vec::new(), 0);
    while at < message.len() {
        let start = at;
        let head = varint(message, &mut at)?;
        let mut content = at..at;
        match head & 7 {
            0 => drop(varint(message, &mut at)?),
            1 => at += 8,
            2 => {
                let len = usize::try_from(varint(message, &mut at)?).ok()?;
                content = at..at.checked_add(len)?;
                at = content.end;
            }
            5 => at += 4,
            _ => return None,
        }
        if at > message.len() {
            return None;
        }
        let (content, whole) = (message.slice(content), message.slice(start..at));
        fields.push(Field { number: head >> 3, content, whole });
    }
    Some(fields)
}

/// Appends a string, bytes or a message.
pub fn put(message: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_varint(message, number << 3 | 2);
    put_varint(message, content.len() as u64);
    message.extend_from_slice(content);
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::models::onnx::schema::{NodeProto, TensorProto};

    #[test]
    fn a_message_is_its_fields() {
        let tensor = TensorProto { name: "w".repeat(300), dims: vec![1, -1, 1 << 40], ..Default::default() };
        let node = NodeProto { input: vec!["a".into(), tensor.name.clone()], ..Default::default() };
        for message in [tensor.encode_to_vec(), node.encode_to_vec()] {
            let message = Bytes::from(message);
            let fields = fields(&message).unwrap();
            assert_eq!(fields.iter().flat_map(|field| field.whole.clone()).collect::<Bytes>(), message);
            for field in fields.iter().filter(|field| !field.content.is_empty()) {
                let mut again = Vec::new();
                put(&mut again, field.number, &field.content);
                assert_eq!(again, field.whole);
            }
        }
    }

    #[test]
    fn damaged_messages_are_told() {
        for damaged in [&[0x0a][..], &[0x0a, 5, 1], &[0x80; 11], &[0x0b], &[0x0d, 1, 2]] {
            assert!(fields(&Bytes::copy_from_slice(damaged)).is_none(), "{damaged:?}");
        }
    }
}
