# Put it into a tap and give `url` the release's archive and `sha256` its sum; nothing is published yet.
class GstPluginFaceswap < Formula
  desc "GStreamer element that replaces faces in live and recorded video"
  homepage "https://example.invalid/gst-plugin-faceswap"
  url "https://example.invalid/gst-plugin-faceswap-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "pkgconf" => :build
  depends_on "rust" => :build
  depends_on "gstreamer"

  def install
    system "cargo", "build", "--release", "--locked", "--lib", "--example", "swap"
    (lib/"gstreamer-1.0").install "target/release/#{shared_library("libgstfaceswap")}"
    bin.install "target/release/examples/swap" => "gst-faceswap-swap"
    (share/"gst-faceswap/models").install Dir["models/*.toml"]
    generate_completions_from_executable(bin/"gst-faceswap-swap", "--completions")
    (man1/"gst-faceswap-swap.1").write Utils.safe_popen_read(bin/"gst-faceswap-swap", "--man")
  end

  def caveats
    <<~TEXT
      The default models do not come with the formula. Bring them once, from the source tree:
        make models && make install
    TEXT
  end

  test do
    assert_match "faceswap", shell_output("#{Formula["gstreamer"].opt_bin}/gst-inspect-1.0 #{lib}/gstreamer-1.0/#{shared_library("libgstfaceswap")}")
    assert_match version.to_s, shell_output("#{bin}/gst-faceswap-swap --version")
  end
end
