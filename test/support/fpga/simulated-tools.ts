import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** What a simulated tool does with the next load. */
export type ToolMode = "works" | "fails" | "nonsense" | "hangs" | "other";

const XRT = `#!/bin/sh
# A simulated xrt-smi, which programs nothing.
here=$(dirname "$0")/../state
mode=$(cat "$here/mode")
verb=$1
while [ $# -gt 0 ]; do
  case "$1" in
    --output) output=$2 ;;
    --user) file=$2 ;;
    --report) report=$2 ;;
  esac
  shift
done
case "$verb" in
  program)
    case "$mode" in
      hangs) echo hanging > "$here/hanging"; exec sleep 100000 ;;
      fails) echo 'ERROR: simulated: the card refuses' >&2; exit 1 ;;
      nonsense) echo '\\001\\002 %% ?'; exit 0 ;;
      other) printf '00000000-0000-0000-0000-00000000beef' > "$here/uuid"; exit 0 ;;
    esac
    n=$(ls "$here/loads" | wc -l)
    cp "$file" "$here/loads/$(printf %03d "$n")"
    od -An -tx1 -j416 -N16 "$file" | tr -d ' \\n' > "$here/uuid"
    ;;
  examine)
    if [ -n "$report" ] && [ "$mode" = nonsense ]; then echo 'no { json' > "$output"; exit 0; fi
    if [ -n "$report" ]; then
      printf '{"devices":[{"device_id":"0000:01:00.1","dynamic_regions":[{"xclbin_uuid":"%s"}]}]}' "$(cat "$here/uuid")" > "$output"
    else
      echo '{"system":{"host":{"devices":[{"bdf":"0000:01:00.1"}]}}}' > "$output"
    fi
    ;;
  *) exit 2 ;;
esac
`;

const DFX = `#!/bin/sh
# A simulated dfx-mgr-client, which programs nothing.
here=$(dirname "$0")/../state
mode=$(cat "$here/mode")
case "$1" in
  -listPackage)
    echo ' Accelerator  Accel_type  Base  Base_type  #slots  Active_slot'
    echo " other  XRT_FLAT  other  XRT_FLAT  (0+0)  -1"
    echo " perigee  XRT_FLAT  perigee  XRT_FLAT  (0+0)  $(cat "$here/slot")"
    ;;
  -remove)
    [ "$2" = "$(tr -d , < "$here/slot")" ] || exit 1
    echo -1 > "$here/slot"
    ;;
  -load)
    case "$mode" in
      hangs) echo hanging > "$here/hanging"; exec sleep 100000 ;;
      fails) echo 'simulated: load Error: -1' >&2; exit 1 ;;
      nonsense) echo '%% ?'; exit 0 ;;
      other) echo 'write error' > "$here/../sys/class/fpga_manager/fpga0/state"; echo 'Loaded with slot_handle 0'; exit 0 ;;
    esac
    # what is loaded already has to be removed first
    [ "$(cat "$here/slot")" = -1 ] || exit 3
    n=$(ls "$here/loads" | wc -l)
    cp "$here/../package/design.bin" "$here/loads/$(printf %03d "$n")"
    echo 0, > "$here/slot"
    echo operating > "$here/../sys/class/fpga_manager/fpga0/state"
    echo 'Loaded with slot_handle 0'
    ;;
  *) exit 2 ;;
esac
`;

/**
 * Simulated tools of the vendor's on PATH: scripts that program nothing and note what they were given. They exist in
 * tests alone.
 */
export class SimulatedTools {
  readonly root = fs.mkdtempSync(path.join(tmpdir(), "fpga-tools-"));
  readonly package = { name: "perigee", directory: path.join(this.root, "package"), bitstream: "design.bin" };
  readonly #path = process.env.PATH ?? "";

  /** @param names of the scripts: `xrt-smi`, `xbutil`, `dfx-mgr-client` */
  constructor(...names: string[]) {
    for (const directory of ["bin", "state/loads", "package", "sys/class/fpga_manager/fpga0"])
      fs.mkdirSync(path.join(this.root, directory), { recursive: true });
    for (const name of names)
      fs.writeFileSync(path.join(this.root, "bin", name), name === "dfx-mgr-client" ? DFX : XRT, {
        mode: 0o755,
      });
    for (const [name, text] of [
      ["state/mode", "works"],
      ["state/slot", "-1"],
      ["state/uuid", ""],
      ["sys/class/fpga_manager/fpga0/name", "simulated FPGA Manager"],
      ["sys/class/fpga_manager/fpga0/state", "power up"],
    ])
      fs.writeFileSync(path.join(this.root, name!), text!);
    process.env.PATH = `${path.join(this.root, "bin")}:${this.#path}`;
  }

  set mode(mode: ToolMode) {
    fs.writeFileSync(path.join(this.root, "state/mode"), mode);
  }

  loads(): Buffer[] {
    const directory = path.join(this.root, "state/loads");
    return fs
      .readdirSync(directory)
      .sort()
      .map((name) => fs.readFileSync(path.join(directory, name)));
  }

  /** Resolves when a load hangs. */
  async hanging(): Promise<void> {
    const file = path.join(this.root, "state/hanging");
    while (!fs.existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  close(): void {
    process.env.PATH = this.#path;
    fs.rmSync(this.root, { recursive: true, force: true });
  }
}
