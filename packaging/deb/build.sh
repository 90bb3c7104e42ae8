#!/bin/sh
# Makes the Debian package of what `cargo build` made: build.sh FOLDER_OF_THE_BUILD RESULT_FOLDER; prints its path.
#
# It holds the plugin, the default models with ONNX Runtime, and the program gst-faceswap-swap (examples/swap).
set -eu
build=$1 result=$2
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
architecture=$(dpkg --print-architecture)
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
name=gstreamer1.0-faceswap
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/$name

put() { install -D -m "$1" "$2" "$root/$3"; }
put 644 "$build/libgstfaceswap.so" "usr/lib/$triplet/gstreamer-1.0/libgstfaceswap.so"
put 755 "$build/examples/swap" usr/bin/gst-faceswap-swap
strip --strip-unneeded "$root/usr/lib/$triplet/gstreamer-1.0/libgstfaceswap.so" "$root/usr/bin/gst-faceswap-swap"
for file in models/*.toml models/*.onnx; do
    put 644 "$file" "usr/share/gst-faceswap/models/${file##*/}"
done
for file in models/libonnxruntime*.so*; do
    put 644 "$file" "usr/lib/$triplet/gst-faceswap/${file##*/}"
done
documents=usr/share/doc/$name
put 644 packaging/deb/copyright "$documents/copyright"
maintainer='gst-plugin-faceswap authors <gst-plugin-faceswap@localhost.localdomain>'
put 644 CHANGELOG.md "$documents/CHANGELOG.md"
when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
printf '%s (%s) unstable; urgency=medium\n\n  * What changed is in CHANGELOG.md.\n\n -- %s  %s\n' "$name" "$version" \
    "$maintainer" "$(LC_ALL=C date -uR -d "@$when")" > "$work/changelog"
put 644 "$work/changelog" "$documents/changelog"
gzip -9n "$root/$documents/changelog" "$root/$documents/CHANGELOG.md"
# ONNX Runtime is taken as its makers publish it, for Debian 12 has none.
printf '%s: embedded-library curl [*libonnxruntime.so]\n%s: embedded-library mbedtls [*libonnxruntime.so]\n' \
    $name $name > "$work/overrides"
put 644 "$work/overrides" "usr/share/lintian/overrides/$name"
"$root/usr/bin/gst-faceswap-swap" --man > "$work/man"
put 644 "$work/man" usr/share/man/man1/gst-faceswap-swap.1
gzip -9n "$root/usr/share/man/man1/gst-faceswap-swap.1"
for shell in bash:bash-completion/completions/gst-faceswap-swap zsh:zsh/vendor-completions/_gst-faceswap-swap \
    fish:fish/vendor_completions.d/gst-faceswap-swap.fish; do
    "$root/usr/bin/gst-faceswap-swap" --completions "${shell%%:*}" > "$work/completions"
    put 644 "$work/completions" "usr/share/${shell#*:}"
done

# dpkg-shlibdeps reads the source package's control file, of which there is none.
mkdir "$work/debian"
printf 'Source: %s\n\nPackage: %s\nArchitecture: any\n' $name $name > "$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "$root/usr/bin/gst-faceswap-swap" \
    "$root/usr/lib/$triplet/gstreamer-1.0/libgstfaceswap.so" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')

mkdir "$root/DEBIAN"
cat > "$root/DEBIAN/control" <<CONTROL
Package: $name
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Section: video
Priority: optional
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: $depends, gstreamer1.0-plugins-base
Recommends: gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad, gstreamer1.0-plugins-ugly, gstreamer1.0-libav
Description: GStreamer element that replaces faces in video
 The element faceswap replaces faces in live and recorded video in real time,
 on the CPU. Its models and ONNX Runtime come with it; the program
 gst-faceswap-swap does files, pictures and folders.
CONTROL
(cd "$root" && find usr -type f -exec md5sum {} + > DEBIAN/md5sums)
mkdir -p "$result"
package=${name}_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zgzip --build "$root" "$work/$package" >/dev/null
cp "$work/$package" "$result/.$package.$$"
mv "$result/.$package.$$" "$result/$package"
echo "$result/$package"
