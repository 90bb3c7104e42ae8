//! Says in a picture file what its picture is: XMP with IPTC's digital source type, which programs that show or share pictures
//! look for.

use anyhow::Result;
use image::ImageFormat;
use img_parts::{
    Bytes, ImageEXIF,
    jpeg::{Jpeg, JpegSegment, markers},
    png::{Png, PngChunk},
    riff::{RiffChunk, RiffContent},
    webp::{CHUNK_VP8X, CHUNK_XMP, WebP},
};

/// Adds the `origin` to a file of a format that has a place for it: JPEG, PNG and WebP.
///
/// # Errors
/// The file is none of its format.
pub fn tell(file: Vec<u8>, format: ImageFormat, origin: Option<&str>) -> Result<Vec<u8>> {
    let Some(packet) = origin.map(packet) else { return Ok(file) };
    let file = Bytes::from(file);
    let told = match format {
        ImageFormat::Jpeg => {
            let mut jpeg = Jpeg::from_bytes(file)?;
            let contents = [b"http://ns.adobe.com/xap/1.0/\0", packet.as_bytes()].concat();
            // Behind the file's own header, before its tables.
            let at = jpeg.segments().iter().take_while(|segment| segment.marker() == markers::APP0).count();
            jpeg.segments_mut().insert(at, JpegSegment::new_with_contents(markers::APP1, contents.into()));
            jpeg.encoder().bytes()
        }
        ImageFormat::Png => {
            let mut png = Png::from_bytes(file)?;
            // Not compressed, in no language.
            let contents = [b"XML:com.adobe.xmp\0\0\0\0\0", packet.as_bytes()].concat();
            png.chunks_mut().insert(1, PngChunk::new(*b"iTXt", contents.into()));
            png.encoder().bytes()
        }
        ImageFormat::WebP => {
            let mut webp = WebP::from_bytes(file)?;
            webp.chunks_mut().push(RiffChunk::new(CHUNK_XMP, RiffContent::Data(packet.into())));
            // The header that lists what the file holds is made anew.
            webp.remove_chunks_by_id(CHUNK_VP8X);
            webp.set_exif(None);
            webp.encoder().bytes()
        }
        _ => file,
    };
    Ok(told.into())
}

/// XMP that says so. Terms: <https://iptc.org/std/photometadata/specification/>, "Digital Source Type".
fn packet(origin: &str) -> String {
    format!(
        r#"<?xpacket begin="{bom}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="gst-plugin-faceswap {version}"
    Iptc4xmpExt:DigitalSourceType="{origin}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"#,
        bom = '\u{feff}',
        version = env!("CARGO_PKG_VERSION"),
    )
}
