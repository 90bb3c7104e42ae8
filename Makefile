# `make` alone lists the targets. Each installs or fetches what it lacks, and is quick the second time.

ifeq ($(shell uname -s),Darwin)
DYLIB := dylib
DATA := $(HOME)/Library/Application Support
else
DYLIB := so
DATA := $(or $(XDG_DATA_HOME),$(HOME)/.local/share)
endif

PYTHON ?= python3
TARGET := $(or $(CARGO_TARGET_DIR),target)
PLUGIN := libgstfaceswap.$(DYLIB)

# GStreamer scans this folder by itself, on every system.
PLUGINS := $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/gstreamer-1.0/plugins
OWN := $(DATA)/gst-faceswap

APT := pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev gstreamer1.0-tools \
	$(addprefix gstreamer1.0-,plugins-base plugins-good plugins-bad plugins-ugly libav)

# For the window's test: an X server and OpenGL without a screen.
HEADLESS := xvfb xauth libgl1-mesa-dri libegl1 libxkbcommon-x11-0 libxcursor1 libxi6

# What makes a Debian package.
PACKAGING := dpkg-dev binutils

.PHONY: help demo live deps models openvino build test fmt clippy macos docs bench soak install uninstall deb reference clean \
	fuzz sanitize deny sbom reproducible unrest
.NOTPARALLEL:

help:
	@echo 'make demo       swap a face in a video; yours: make demo SOURCE=face.jpg VIDEO=in.mp4'
	@echo 'make live       a window: camera, file or test picture'
	@echo 'make build      the plugin: $(TARGET)/release/$(PLUGIN)'
	@echo 'make models     bring the default models'
	@echo 'make test       everything that must hold before a change lands'
	@echo 'make bench      measure speed, allocations and memory: tables, JSON and a page with plots in target/bench'
	@echo 'make soak       ten minutes live: nothing lost, latency as told, memory flat'
	@echo 'make unrest     an hour in which source, settings, caps and the number of elements change'
	@echo 'make fuzz       each fuzz target for FUZZ_SECONDS=1800, with a nightly Rust'
	@echo 'make sanitize   AddressSanitizer, valgrind, helgrind, Miri'
	@echo 'make deny       licences, sources and forbidden packages'
	@echo 'make sbom       bill of materials, CycloneDX: $(TARGET)/sbom'
	@echo 'make reproducible  two release builds in two places must be the same'
	@echo 'make install    plugin and models into your home, where GStreamer finds them by itself'
	@echo 'make uninstall  remove what install put there'
	@echo 'make deb        a Debian package: $(TARGET)/packages'
	@echo 'make reference  docs/reference.txt, what gst-inspect-1.0 tells of the element'
	@echo 'make deps       install the system packages that are missing (the others do it too)'
	@echo 'make clean      remove what was built'

deps:
	@command -v cargo >/dev/null || { echo 'cargo is missing: install Rust 1.95 or newer, see rust-lang.org' >&2; exit 1; }
	@set -e; \
	if ! command -v apt-get >/dev/null; then \
		pkg-config --exists gstreamer-1.0 gstreamer-video-1.0 2>/dev/null && command -v gst-launch-1.0 >/dev/null && exit; \
		echo 'GStreamer 1.22 or newer with its development files and tools, and pkg-config are missing.' >&2; \
		echo 'macOS: brew install gstreamer pkgconf. Fedora: gstreamer1-plugins-base-devel and gstreamer1-plugins-*.' >&2; \
		exit 1; \
	fi; \
	lacking=''; \
	for package in $(APT); do \
		dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || lacking="$$lacking $$package"; \
	done; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || lacking="$$lacking python3-venv"; \
	command -v cc >/dev/null || lacking="$$lacking gcc libc6-dev"; \
	test -n "$$lacking" || exit 0; \
	echo "installing$$lacking"; \
	root=; test "$$(id -u)" = 0 || root=sudo; \
	if test -n "$$root" && ! command -v sudo >/dev/null; then \
		echo "run as root: apt-get install$$lacking" >&2; exit 1; \
	fi; \
	$$root apt-get update -qq; \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$lacking >/dev/null

models: deps
	@$(PYTHON) models/fetch.py

# An ONNX Runtime with an execution provider beside the CPU's, for tests.
openvino: deps
	@$(PYTHON) models/fetch.py --openvino '$(TARGET)/openvino'

# By the environment, so that names may hold spaces.
export SOURCE VIDEO
demo: deps models
	cargo build --release $(WHOLE) --example demo $${VIDEO:+--example swap}
	@'$(TARGET)/release/examples/demo' $${SOURCE:+--source "$$SOURCE"} $${VIDEO:+--video "$$VIDEO"}

live: deps models
	cargo run --release -p faceswap-live

build: deps
	cargo build --release $(WHOLE) --lib
	@echo 'built $(TARGET)/release/$(PLUGIN)'

# The list of what must hold; cargo's own summary comes last. FFmpeg judges files, and shares no code with what writes
# them; an example is in Python.
test: APT += strace ffmpeg parallel $(PACKAGING) python3-gi gir1.2-gstreamer-1.0 $(HEADLESS)
# One build serves the demo, the tests and the programs and targets that they start: quick to make, with the checks of a
# debug build. By WHOLE all ask for the same features of every package, which cargo would else build again.
test: export WHOLE := --workspace --example demo
test: export CARGO_PROFILE_RELEASE_OPT_LEVEL := 1
test: export CARGO_PROFILE_RELEASE_CODEGEN_UNITS := 16
test: export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS := true
test: export CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS := true
test: deps models openvino fmt clippy docs demo
	cargo test --release --workspace --no-fail-fast --lib --tests

fmt:
	cargo fmt --all --check

# With the macOS code, which is only type-checked elsewhere: no Apple target can be installed.
clippy: deps
	cargo clippy --release --workspace --all-targets --features gst-plugin-faceswap/check-macos -- -D warnings

macos: deps
	cargo check --lib --features check-macos

docs: deps
	RUSTDOCFLAGS='-D warnings' cargo doc --release $(WHOLE) --lib --no-deps --document-private-items

# Ten minutes of a live 1080p60 stream, with something else on all cores in between.
soak: deps models
	cargo run --release --example soak -- --seconds 600 $(if $(VIDEO),--video '$(VIDEO)')
	cargo run --release --example soak -- --seconds 60 --hog $(if $(VIDEO),--video '$(VIDEO)')

# An hour in which everything changes, and five minutes of it with twenty elements; UNREST_SECONDS shortens it.
UNREST_SECONDS ?= 3600
unrest: deps models
	cargo run --release --example unrest -- --seconds $(UNREST_SECONDS)

# Tables of benches/, and the suite as JSON and as a page. COMPARE=old.json fails where something became slower.
bench: deps models
	test -f target/standin/inswapper_128.onnx || cargo run --release --example standin -- target/standin full
	@mkdir -p target/bench
	cargo bench --bench '*' > target/bench/tables.part || { cat target/bench/tables.part; exit 1; }
	@mv target/bench/tables.part target/bench/tables.txt
	@cat target/bench/tables.txt
	cargo run --release --example benchmark -- --save target/bench/results.json --html target/bench/report.html \
		$(if $(COMPARE),--compare '$(COMPARE)')

# The list of installed files lies beside the models; uninstall goes by it.
install: build models
	@set -e; \
	mkdir -p '$(PLUGINS)' '$(OWN)/models'; \
	list='$(OWN)/installed.txt'; : > "$$list.part"; \
	put() { cp "$$1" "$$2/.part" && mv "$$2/.part" "$$2/$${1##*/}" && echo "$$2/$${1##*/}" >> "$$list.part"; }; \
	for file in models/*.toml models/*.onnx models/libonnxruntime*; do put "$$file" '$(OWN)/models'; done; \
	put '$(TARGET)/release/$(PLUGIN)' '$(PLUGINS)'; \
	mv "$$list.part" "$$list"
	@gst-inspect-1.0 faceswap >/dev/null 2>&1 || { \
		echo 'GStreamer does not find it; is GST_PLUGIN_SYSTEM_PATH set, which replaces $(PLUGINS)?' >&2; exit 1; }
	@echo 'installed: $(PLUGINS)/$(PLUGIN)'
	@echo 'models in: $(OWN)/models'
	@echo 'next: gst-inspect-1.0 faceswap'

uninstall:
	@set -e; \
	list='$(OWN)/installed.txt'; \
	test -f "$$list" || { echo 'nothing is installed'; exit 0; }; \
	while IFS= read -r file; do rm -f "$$file"; done < "$$list"; \
	rm "$$list"; \
	for folder in '$(OWN)/models' '$(OWN)' '$(PLUGINS)' '$(dir $(PLUGINS))'; do rmdir "$$folder" 2>/dev/null || true; done; \
	echo 'uninstalled'

# Into target/packages; what it needs and holds: packaging/deb/build.sh.
deb: APT += $(PACKAGING)
deb: build models
	cargo build --release $(WHOLE) --example swap
	@packaging/deb/build.sh '$(TARGET)/release' '$(TARGET)/packages'

reference: build
	GST_PLUGIN_PATH='$(TARGET)/release' gst-inspect-1.0 --no-colors faceswap | sed 's|$(abspath $(TARGET))/release/||' > docs/reference.txt

# Tools of cargo's that only these targets need, into a folder of their own, once.
TOOLS := $(abspath $(TARGET))/tools
tool = test -x '$(TOOLS)/bin/$(1)' || cargo install --root '$(TOOLS)' --locked $(1)

# What is found lies in fuzz/artifacts; new inputs in target/fuzz. All targets run at once, at low priority.
FUZZ_SECONDS ?= 1800
FUZZ_TARGETS ?= cards onnx images frames caps outputs strings events
fuzz: deps models
	@$(call tool,cargo-fuzz)
	@fuzz/run.sh '$(TOOLS)/bin' '$(abspath $(TARGET))/fuzz' $(FUZZ_SECONDS) $(FUZZ_TARGETS)

sanitize: APT += valgrind
sanitize: deps models
	@packaging/sanitize.sh '$(abspath $(TARGET))/sanitize'

deny: deps
	@$(call tool,cargo-deny)
	'$(TOOLS)/bin/cargo-deny' --workspace check $(if $(ADVISORIES),advisories) bans licenses sources

sbom: deps
	@$(call tool,cargo-cyclonedx)
	@packaging/sbom.sh '$(TOOLS)/bin' '$(TARGET)/sbom'

reproducible: deps
	@packaging/reproducible.sh '$(abspath $(TARGET))/reproducible'

clean:
	cargo clean
