"""The element in a Python application: python3 embed.py face.jpg in.mp4 out.mp4

Needs PyGObject (Debian: python3-gi, gir1.2-gstreamer-1.0). The plugin is found among the installed ones, or in the
folder that GST_PLUGIN_PATH names.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

PIPELINE = """
    filesrc name=video ! decodebin ! videoconvert ! faceswap name=swap stats-interval=500
    ! videoconvert ! x264enc speed-preset=veryfast ! h264parse ! mp4mux ! filesink name=result
"""


def main():
    Gst.init(None)
    if len(sys.argv) != 4:
        sys.exit("usage: embed.py FACE VIDEO RESULT.mp4")
    source, video, result = sys.argv[1:]
    try:
        pipeline = Gst.parse_launch_full(PIPELINE, None, Gst.ParseFlags.FATAL_ERRORS)
    except GLib.Error as error:
        sys.exit(f"embed.py: {error.message}")
    pipeline.get_by_name("swap").set_property("source", source)
    pipeline.get_by_name("video").set_property("location", video)
    pipeline.get_by_name("result").set_property("location", result)

    loop = GLib.MainLoop()
    failures = []
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::element", lambda bus, message: tell(message.get_structure()))
    bus.connect("message::warning", lambda bus, message: print("warning:", message.parse_warning()[0].message))
    bus.connect("message::error", lambda bus, message: (failures.append(message.parse_error()[0]), loop.quit()))
    bus.connect("message::eos", lambda bus, message: loop.quit())
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    pipeline.set_state(Gst.State.NULL)
    if failures:
        sys.exit(f"embed.py: {failures[0].message}")


def tell(stats):
    if stats.get_name() == "faceswap-stats":
        frames, swapped = stats.get_value("frames-out"), stats.get_value("frames-swapped")
        print(f"{frames} frames, {swapped} swapped, {stats.get_value('fps'):.0f} frames/s")


if __name__ == "__main__":
    main()
