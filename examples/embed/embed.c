/* The element in a C application:
 *
 *     cc embed.c -o embed $(pkg-config --cflags --libs gstreamer-1.0)
 *     ./embed face.jpg in.mp4 out.mp4
 *
 * The plugin is found among the installed ones, or in the folder that GST_PLUGIN_PATH names. */

#include <gst/gst.h>

static const char *PIPELINE =
    "filesrc name=video ! decodebin ! videoconvert ! faceswap name=swap stats-interval=500 "
    "! videoconvert ! x264enc speed-preset=veryfast ! h264parse ! mp4mux ! filesink name=result";

static void
set (GstElement * pipeline, const char *name, const char *property, const char *value)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), name);
  g_object_set (element, property, value, NULL);
  gst_object_unref (element);
}

static void
tell (const GstStructure * stats)
{
  guint64 frames = 0, swapped = 0;
  gdouble fps = 0;

  if (!gst_structure_has_name (stats, "faceswap-stats"))
    return;
  gst_structure_get (stats, "frames-out", G_TYPE_UINT64, &frames,
      "frames-swapped", G_TYPE_UINT64, &swapped, "fps", G_TYPE_DOUBLE, &fps, NULL);
  g_print ("%" G_GUINT64_FORMAT " frames, %" G_GUINT64_FORMAT " swapped, %.0f frames/s\n",
      frames, swapped, fps);
}

/* Reads messages until the end of the stream; whether all went well. */
static gboolean
follow (GstBus * bus)
{
  for (;;) {
    GstMessage *message = gst_bus_timed_pop (bus, GST_CLOCK_TIME_NONE);
    gboolean last = FALSE, failed = FALSE;
    GError *error = NULL;

    switch (GST_MESSAGE_TYPE (message)) {
      case GST_MESSAGE_ELEMENT:
        tell (gst_message_get_structure (message));
        break;
      case GST_MESSAGE_WARNING:
        gst_message_parse_warning (message, &error, NULL);
        g_printerr ("warning: %s\n", error->message);
        break;
      case GST_MESSAGE_ERROR:
        gst_message_parse_error (message, &error, NULL);
        g_printerr ("embed: %s\n", error->message);
        last = failed = TRUE;
        break;
      case GST_MESSAGE_EOS:
        last = TRUE;
        break;
      default:
        break;
    }
    g_clear_error (&error);
    gst_message_unref (message);
    if (last)
      return !failed;
  }
}

int
main (int argc, char **argv)
{
  GError *error = NULL;
  GstElement *pipeline;
  GstBus *bus;
  gboolean good;

  gst_init (&argc, &argv);
  if (argc != 4) {
    g_printerr ("usage: embed FACE VIDEO RESULT.mp4\n");
    return 2;
  }
  pipeline = gst_parse_launch_full (PIPELINE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (pipeline == NULL) {
    g_printerr ("embed: %s\n", error->message);
    g_clear_error (&error);
    return 1;
  }
  set (pipeline, "swap", "source", argv[1]);
  set (pipeline, "video", "location", argv[2]);
  set (pipeline, "result", "location", argv[3]);

  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  good = follow (bus);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  return good ? 0 : 1;
}
