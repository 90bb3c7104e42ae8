#!/usr/bin/env bash
# Bills of materials of what is shipped, in CycloneDX's JSON: sbom.sh TOOLS FOLDER. `make sbom` calls it.
#
# cargo-cyclonedx writes beside each Cargo.toml; the files are moved from there. The times and serial
# numbers and the folder that it writes are taken out, so that the same lock file gives the same bill.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$1 folder=$2
mkdir -p "$folder"
PATH="$tools:$PATH" cargo cyclonedx --format json --all --override-filename sbom
for file in sbom.json examples/live/sbom.json; do
	test -f "$file" || continue
	case $file in
	*/live/*) name=faceswap-live ;;
	*) name=gst-plugin-faceswap ;;
	esac
	python3 - "$file" "$folder/$name.cdx.json" <<-'PYTHON'
		import json, os, sys
		bill = json.loads(open(sys.argv[1]).read().replace(os.getcwd(), ""))
		bill.pop("serialNumber", None)
		bill.get("metadata", {}).pop("timestamp", None)
		json.dump(bill, open(sys.argv[2], "w"), indent=1, sort_keys=True)
		parts = bill["components"]
		nameless = [part["name"] for part in parts if not part.get("licenses")]
		print(f"{sys.argv[2]}: {len(parts)} packages" + (f", without a licence: {nameless}" if nameless else ""))
	PYTHON
	rm -f "$file"
done
